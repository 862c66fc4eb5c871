// The page of recovery codes: copying them.

import { enableCopying } from "./copy.js";

enableCopying();
