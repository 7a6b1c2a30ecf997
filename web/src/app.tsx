import { useEffect, useRef } from "preact/hooks";
import { Activity } from "./pages/activity/Activity";
import { File } from "./pages/file/File";
import { Home } from "./pages/home/Home";
import { Locked } from "./pages/Locked";
import { Peers } from "./pages/peers/Peers";
import { Settings } from "./pages/settings/Settings";
import { route, type Route } from "./state/route";
import { link } from "./state/store";
import { DropAnywhere } from "./pages/home/Drop";
import { Empty } from "./ui/bits";
import { Layout } from "./ui/Layout";

const TITLES: Record<Route["page"], string> = {
  home: "Home",
  file: "File",
  peers: "Peers",
  activity: "Activity",
  settings: "Settings",
  unknown: "Not found",
};

export function App() {
  const at = route.value;
  const isFirst = useRef(true);
  useEffect(() => {
    document.title = `${TITLES[at.page]} · Potluck`;
    // Who can't see that the page changed is put at its beginning.
    if (!isFirst.current) document.getElementById("main")?.focus({ preventScroll: true });
    isFirst.current = false;
  }, [at]);
  if (link.value === "locked") return <Locked />;
  return (
    <Layout>
      <DropAnywhere />
      <Page at={at} />
    </Layout>
  );
}

function Page({ at }: { at: Route }) {
  switch (at.page) {
    case "home":
      return <Home />;
    case "file":
      return <File key={at.cid} cid={at.cid} />;
    case "peers":
      return <Peers />;
    case "activity":
      return <Activity />;
    case "settings":
      return <Settings />;
    default:
      return (
        <>
          <h1>Nothing here</h1>
          <Empty title="There is no such page.">
            <p>
              <a href="/">Go to the first page</a>.
            </p>
          </Empty>
        </>
      );
  }
}
