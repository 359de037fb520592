// The window's displays: test card, mesh, soft edges. There only while a window is open.

import { control, label, make } from "./controls.js";

export class Wall {
  // controls: the panel's, by name; those of the displays are among them.
  constructor(send, { settings, actions }, controls) {
    this.send = send; this.settings = settings; this.actions = actions; this.controls = controls;
    this.names = []; this.rows = [];
    this.node = make("div", { class: "page", hidden: true });
  }

  show(displays) {
    const names = displays.map((one) => `${one.number} ${one.name}`);
    if (names.join("\n") !== this.names.join("\n")) {
      this.names = names;
      for (const name of [...this.controls.keys()]) if (name.startsWith("wall/")) this.controls.delete(name);
      this.rows = displays.map((one, row) => this.display(one, row));
      this.node.replaceChildren(...this.rows.map(({ node }) => node));
    }
    this.node.hidden = !displays.length;
    displays.forEach((one, row) => {
      const { buttons, kept } = this.rows[row];
      for (const [name, [value, unit]] of Object.entries(one.values)) this.controls.get(`wall/${one.number}/${name}`)?.[0].update(value, unit);
      buttons.undo.disabled = !one.undo;
      buttons.redo.disabled = !one.redo;
      kept.textContent = one.fault ? `Not saved for the next start: ${one.fault}` : "Every change is saved for the next start.";
      kept.className = one.fault ? "refused" : "help";
    });
  }

  display({ name, number }, row) {
    const place = (one) => {
      const whole = `wall/${number}/${one.name}`;
      const made = control({ ...one, name: whole }, this.send);
      this.controls.set(whole, [made]);
      return made.node;
    };
    const ofAll = (one) => one.name === "test_card" && row > 0; // of every display, said with the first
    const buttons = Object.fromEntries(Object.entries(this.actions).map(([action, help]) => [action,
      make("button", { class: "chip", title: help, onclick: () => this.send({ act: `wall/${number}/${action}` }) }, action === "reset" ? "Reset mesh" : label(action))]));
    const kept = make("p", { class: "help" });
    return { buttons, kept, node: make("section", { "data-display": number }, make("h2", {}, `Window, ${name}`),
      make("div", { class: "faders" }, ...this.settings.filter((one) => !ofAll(one)).map(place)),
      make("div", { class: "row after" }, ...Object.values(buttons)), kept) };
  }
}
