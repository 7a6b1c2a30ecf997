import logo from "../ui/logo.svg";

/** What a browser sees that the node does not know. */
export function Locked() {
  return (
    <main class="locked">
      <img src={logo} alt="" width="72" height="72" />
      <h1>Who is there?</h1>
      <p>These pages belong to the owner of this node. On the machine where it runs, run</p>
      <p>
        <code class="command">potluck open</code>
      </p>
      <p>in a terminal. It opens them in your browser, and the browser stays let in.</p>
    </main>
  );
}
