import { render } from "preact";
import { App } from "./app";
import { follow } from "./state/route";
import { start } from "./state/store";
import { applyTheme } from "./state/theme";
import "./styles/index.css";

applyTheme();
follow();
start();
const root = document.getElementById("app");
if (root) render(<App />, root);
