// Drawing with uPlot: lines over the last quarter of an hour, a limit as a dashed line, colours from the tokens. Comes
// in: columns and how to say their values. Not here: where values come from, and any text but the axes'.
import uPlot from 'uplot';
import { minuteOfDay } from '../../lib/format';
import { type Columns, most, roundUp } from '../../lib/series';

/** `mark` stands for the label where there is little room. */
export type Line = { label: string; mark?: string; colour: string };
export type Drawing = {
  columns: Columns;
  /** Unix seconds: the right edge. */
  end: number;
  /** Seconds from edge to edge. */
  span: number;
  /** Drawn in when it lies within the scale. */
  limit: number | null;
  /** The scale reaches to the limit, not only to what is used. */
  whole: boolean;
};

const AXIS_PX = 50;
const TIME_PX = 18;
/** Between two marks of the time axis. */
const MARK_S = 300;
const EDGE_S = 80;

function token(name: string): string {
  return getComputedStyle(document.documentElement).getPropertyValue(name).trim();
}

/** The same colour, faint: tokens are written `#rrggbb`. */
function faint(colour: string): string {
  return /^#[0-9a-f]{6}$/i.test(colour) ? `${colour}1f` : 'transparent';
}

export class Chart {
  #plot: uPlot;
  #now: Drawing;
  #limitWord: (limit: number) => string;

  constructor(
    element: HTMLElement,
    lines: Line[],
    first: Drawing,
    look: {
      least: number;
      say: (value: number) => string;
      beyond: (limit: string) => string;
      onpoint: (index: number | null) => void;
      sync: string;
    },
  ) {
    this.#now = first;
    this.#limitWord = (limit) => look.beyond(look.say(limit));
    const font = `10px ${token('--font-ui') || 'sans-serif'}`;
    const options: uPlot.Options = {
      ...this.#size(element),
      padding: [6, 2, 0, 0],
      legend: { show: false },
      cursor: {
        y: false,
        drag: { x: false, y: false, setScale: false },
        points: { size: 5 },
        sync: { key: look.sync, setSeries: false },
      },
      scales: {
        x: { time: true, range: () => [this.#now.end - this.#now.span, this.#now.end] },
        y: { range: () => [0, this.#top(look.least)] },
      },
      axes: [
        {
          size: TIME_PX,
          gap: 2,
          font,
          stroke: () => token('--text-3'),
          grid: { show: false },
          ticks: { show: false },
          splits: (_plot, _axis, low, high) => this.#times(low, high),
          values: (_plot, splits) => splits.map((at) => minuteOfDay(at * 1000)),
        },
        {
          size: AXIS_PX,
          gap: 4,
          font,
          stroke: () => token('--text-3'),
          grid: { stroke: () => token('--line'), width: 1 },
          ticks: { show: false },
          splits: (_plot, _axis, _low, high) => this.#marks(high),
          values: (_plot, splits) => splits.map((value) => look.say(value)),
        },
      ],
      series: [
        {},
        ...lines.map(({ label, colour }, at) => ({
          label,
          stroke: () => token(colour),
          fill: at === 0 && lines.length === 1 ? () => faint(token(colour)) : undefined,
          width: 1.5,
          points: { show: false },
          spanGaps: false,
        })),
      ],
      hooks: {
        setCursor: [(plot: uPlot) => look.onpoint(plot.cursor.idx ?? null)],
        draw: [(plot: uPlot) => this.#drawLimit(plot)],
      },
    };
    this.#plot = new uPlot(options, first.columns as uPlot.AlignedData, element);
  }

  draw(next: Drawing): void {
    this.#now = next;
    this.#plot.setData(next.columns as uPlot.AlignedData);
  }

  /** The colours may be others now. */
  repaint(): void {
    this.#plot.redraw(false);
  }

  resize(element: HTMLElement): void {
    const size = this.#size(element);
    if (size.width !== this.#plot.width || size.height !== this.#plot.height) this.#plot.setSize(size);
  }

  /** Puts the cursor on a reading, or takes it away. */
  point(index: number | null): void {
    const at = index === null ? null : (this.#now.columns[0][index] ?? null);
    const left = at === null ? -10 : this.#plot.valToPos(at, 'x');
    this.#plot.setCursor({ left, top: at === null ? -10 : 1 });
  }

  end(): void {
    this.#plot.destroy();
  }

  #size(element: HTMLElement): { width: number; height: number } {
    return { width: Math.max(80, element.clientWidth), height: Math.max(60, element.clientHeight) };
  }

  #top(least: number): number {
    const { columns, limit, whole } = this.#now;
    const used = Math.max(0, ...columns.slice(1).map((column) => most(column as (number | null)[]) ?? 0));
    // A little air above a limit, so that its line is not the edge.
    if (whole && limit !== null) return Math.max(limit, used) * 1.08;
    return roundUp(used * 1.15, least);
  }

  /** Zero, the limit or the top, and half of it. */
  #marks(high: number): number[] {
    const { limit, whole } = this.#now;
    const top = whole && limit !== null && limit <= high ? limit : high;
    return [0, top / 2, top];
  }

  #times(low: number, high: number): number[] {
    const marks: number[] = [];
    // None so near an edge that it would be cut.
    const first = Math.ceil((low + EDGE_S) / MARK_S) * MARK_S;
    for (let at = first; at <= high - EDGE_S; at += MARK_S) marks.push(at);
    return marks;
  }

  #drawLimit(plot: uPlot): void {
    const { limit } = this.#now;
    const top = plot.scales.y?.max;
    if (limit === null || top == null) return;
    const { ctx, bbox } = plot;
    const beyond = limit > top;
    const y = Math.round(beyond ? bbox.top : plot.valToPos(limit, 'y', true)) + 0.5;
    ctx.save();
    ctx.beginPath();
    ctx.strokeStyle = token('--bad');
    ctx.lineWidth = devicePixelRatio;
    ctx.setLineDash([4 * devicePixelRatio, 3 * devicePixelRatio]);
    ctx.moveTo(bbox.left, y);
    ctx.lineTo(bbox.left + bbox.width, y);
    ctx.stroke();
    if (beyond) {
      // Out of the scale: the line is its upper edge, and says how far up the limit really is.
      ctx.font = `${10 * devicePixelRatio}px ${token('--font-ui') || 'sans-serif'}`;
      ctx.fillStyle = token('--bad');
      ctx.textAlign = 'right';
      ctx.textBaseline = 'top';
      ctx.fillText(this.#limitWord(limit), bbox.left + bbox.width, y + 3 * devicePixelRatio);
    }
    ctx.restore();
  }
}
