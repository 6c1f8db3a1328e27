import { serveAccelerator } from "ipfs-accelerate/worker";

serveAccelerator(self);
