import { serveAccelerator } from "./index.ts";

serveAccelerator(self);
