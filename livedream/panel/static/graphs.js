// Small live graphs: a minute of one figure, and its value now.

const KEPT = 240; // about a minute at four a second

export class Graph {
  constructor(figure, format) {
    this.values = []; this.format = format;
    this.number = figure.querySelector("b");
    this.canvas = figure.querySelector("canvas");
  }

  add(value) {
    this.values.push(value);
    if (this.values.length > KEPT) this.values.shift();
    this.number.textContent = this.format(value);
    this.draw();
  }

  draw() {
    const scale = devicePixelRatio || 1;
    const width = Math.round(this.canvas.clientWidth * scale);
    const height = Math.round(this.canvas.clientHeight * scale);
    if (!width || !height) return;
    if (this.canvas.width !== width || this.canvas.height !== height) Object.assign(this.canvas, { width, height });
    const pen = this.canvas.getContext("2d");
    pen.clearRect(0, 0, width, height);
    const most = Math.max(...this.values, 1e-6) * 1.15;
    const x = (index) => width - ((this.values.length - 1 - index) / (KEPT - 1)) * width;
    const y = (value) => height - scale - (value / most) * (height - 2 * scale);
    pen.beginPath();
    this.values.forEach((value, index) => (index ? pen.lineTo(x(index), y(value)) : pen.moveTo(x(0), y(value))));
    pen.lineWidth = 1.5 * scale;
    pen.lineJoin = "round";
    pen.strokeStyle = "#f2a33c";
    pen.stroke();
    pen.lineTo(width, height);
    pen.lineTo(x(0), height);
    pen.fillStyle = "#f2a33c1c";
    pen.fill();
  }
}
