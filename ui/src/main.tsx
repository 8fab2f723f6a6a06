import { render } from "preact";
import { App } from "./app";
import { cleanAddress } from "./state";
import "./style.css";

cleanAddress();
render(<App />, document.getElementById("app")!);
