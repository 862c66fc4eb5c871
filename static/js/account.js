// The page of API tokens, when a new one is shown.

import { enableCopying } from "./copy.js";

enableCopying();

// Where the browser lets no script copy, the whole token is one click away from being copied by hand.
const token = document.getElementById("token");
token.addEventListener("focus", () => token.select());
