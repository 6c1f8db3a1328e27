import { WebSocket } from "ws";

/** Numbered requests and events over a WebSocket: what CDP and WebDriver BiDi have in common. */
export class Connection {
  #socket;
  #nextId = 1;
  #waiting = new Map();
  #listeners = new Set();

  static async open(url) {
    const socket = new WebSocket(url, { maxPayload: 256 * 1024 * 1024 });
    await new Promise((resolve, reject) => {
      socket.once("open", resolve);
      socket.once("error", reject);
    });
    return new Connection(socket);
  }

  constructor(socket) {
    this.#socket = socket;
    socket.on("message", (text) => this.#receive(JSON.parse(text)));
    socket.on("close", () => {
      for (const { reject, method } of this.#waiting.values())
        reject(new Error(`the browser went away during ${method}`));
      this.#waiting.clear();
    });
  }

  send(method, params = {}, sessionId = undefined) {
    const id = this.#nextId++;
    return new Promise((resolve, reject) => {
      this.#waiting.set(id, { resolve, reject, method });
      this.#socket.send(JSON.stringify({ id, method, params, sessionId }));
    });
  }

  onEvent(listener) {
    this.#listeners.add(listener);
  }

  close() {
    this.#socket.terminate();
  }

  #receive(message) {
    if (message.id === undefined || message.id === null) {
      for (const listener of this.#listeners) listener(message.method, message.params, message.sessionId);
      return;
    }
    const waiting = this.#waiting.get(message.id);
    this.#waiting.delete(message.id);
    if (message.error === undefined) waiting?.resolve(message.result);
    else
      waiting?.reject(
        new Error(`${waiting.method}: ${message.error.message ?? `${message.error}: ${message.message}`}`),
      );
  }
}
