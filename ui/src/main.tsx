// The page starts here.

import { render } from "preact";
import { applyTheme } from "./base/theme.ts";
import { Shell } from "./pages/shell.tsx";
import "./styles/tokens.css";
import "./styles/base.css";
import "./styles/shell.css";
import "./styles/search.css";
import "./styles/trace.css";
import "./styles/views.css";

applyTheme();
render(<Shell />, document.getElementById("app")!);
