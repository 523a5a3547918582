// One line on one xterm: attach from the beginning, write per animation frame, acknowledge what was parsed, send
// keys back. Comes in: hostile bytes. So no window options, no clipboard sequences, links only http(s) and only after
// asking, and answers the terminal makes to queries in old output are not sent.
import '@xterm/xterm/css/xterm.css';
import { FitAddon } from '@xterm/addon-fit';
import { SearchAddon } from '@xterm/addon-search';
import { UnicodeGraphemesAddon } from '@xterm/addon-unicode-graphemes';
import { WebLinksAddon } from '@xterm/addon-web-links';
import { Terminal } from '@xterm/xterm';
import { type Attachment, asProblem } from '../backend';
import type { Frame, ProcessEnd } from '../backend/frame';
import { bytes as sizeText } from '../format';
import { t } from '../messages';
import type { App } from '../state/app.svelte';
import type { WindowSize } from '../wire';
import { shareClusters } from './clusters';
import { readColours } from './colours';
import { HARDENED, harden } from './hostile';
import { Intake } from './intake';
import { handleKey } from './keyboard';
import { type Line, SCROLLBACK } from './line';
import { pasteInto } from './paste';

const REATTACH_MS = 1000;

export class Session {
  readonly key: string;
  readonly element = document.createElement('div');
  readonly terminal: Terminal;
  readonly line: Line;
  onBell: () => void = () => {};
  onFound: (at: number, of: number) => void = () => {};
  /** It was there before this window, with what it had printed. */
  onRestored: () => void = () => {};
  /** A line was sent to it. */
  onLine: () => void = () => {};
  #app: App;
  #fit = new FitAddon();
  #search = new SearchAddon();
  #attachment: Attachment | null = null;
  #intake: Intake;
  #offset = 0;
  #opened = false;
  #ended = false;
  #disposed = false;
  #frame = 0;
  #sent: WindowSize | null = null;
  #again: ReturnType<typeof setTimeout> | undefined;

  constructor(app: App, line: Line, fontPx: number) {
    this.#app = app;
    this.line = line;
    this.key = line.key;
    this.element.className = 'terminal-host';
    this.terminal = new Terminal({
      ...HARDENED,
      allowProposedApi: true,
      convertEol: !line.terminal,
      cursorBlink: false,
      fontFamily: getComputedStyle(document.documentElement).getPropertyValue('--font-mono'),
      fontSize: fontPx,
      lineHeight: 1.14,
      minimumContrastRatio: 4.5,
      overviewRuler: { width: 10 },
      scrollback: SCROLLBACK,
      theme: readColours(),
      // OSC 8: the address itself is asked about, never only its text.
      linkHandler: { activate: (_event, uri) => line.follow(uri), allowNonHttpProtocols: false },
    });
    harden(this.terminal);
    shareClusters(this.terminal);
    this.terminal.loadAddon(this.#fit);
    this.terminal.loadAddon(this.#search);
    this.terminal.loadAddon(new UnicodeGraphemesAddon());
    this.terminal.loadAddon(new WebLinksAddon((_event, uri) => line.follow(uri)));
    this.#intake = new Intake(
      this.terminal,
      app.terminals.turns,
      () => this.element.isConnected,
      (bytes, fits) => this.#acknowledge(bytes, fits),
    );
    this.terminal.onData((data) => this.#send(new TextEncoder().encode(data)));
    this.terminal.onBinary((data) => this.#send(Uint8Array.from(data, (letter) => letter.charCodeAt(0) & 255)));
    this.terminal.onResize(() => this.#tellSize());
    this.terminal.onBell(() => this.onBell());
    this.#search.onDidChangeResults(({ resultIndex, resultCount }) => this.onFound(resultIndex + 1, resultCount));
    this.terminal.attachCustomKeyEventHandler((event) => handleKey(app, this, event));
  }

  get size(): WindowSize {
    return { columns: this.terminal.cols, rows: this.terminal.rows };
  }

  /** Puts the terminal into a place on the page; attaches the first time. */
  show(host: HTMLElement): void {
    if (this.#disposed) return;
    host.append(this.element);
    if (!this.#opened) {
      this.#opened = true;
      this.terminal.open(this.element);
      // Every way to paste (menu, middle button, key) goes through the same question.
      this.element.addEventListener('paste', (event) => this.#pasted(event), { capture: true });
      this.fit();
      void this.#attach();
    }
    this.fit();
  }

  hide(): void {
    this.element.remove();
  }

  fit(): void {
    if (this.element.clientWidth > 0 && this.element.clientHeight > 0) this.#fit.fit();
  }

  focus(): void {
    this.terminal.focus();
  }

  setFont(px: number): void {
    this.terminal.options.fontSize = px;
    this.fit();
  }

  /** How many lines that scrolled out of sight stay; older ones go. */
  keepLines(lines: number): void {
    if (this.terminal.options.scrollback !== lines) this.terminal.options.scrollback = lines;
  }

  setTheme(): void {
    this.terminal.options.theme = readColours();
  }

  text(): string {
    const buffer = this.terminal.buffer.active;
    const lines: string[] = [];
    for (let at = 0; at < buffer.length; at += 1) {
      const line = buffer.getLine(at);
      const text = line?.translateToString(true) ?? '';
      if (line?.isWrapped && lines.length > 0) lines[lines.length - 1] += text;
      else lines.push(text);
    }
    return lines.join('\n').trimEnd();
  }

  find(text: string, back: boolean, caseSensitive: boolean, incremental = false): void {
    const style = getComputedStyle(document.documentElement);
    const colour = (name: string) => style.getPropertyValue(name).trim();
    const options = {
      caseSensitive,
      incremental,
      decorations: {
        matchBackground: colour('--term-match'),
        matchOverviewRuler: colour('--term-match'),
        activeMatchBackground: colour('--term-match-active'),
        activeMatchColorOverviewRuler: colour('--term-match-active'),
      },
    };
    if (text === '') this.endFind();
    else if (back) this.#search.findPrevious(text, options);
    else this.#search.findNext(text, options);
  }

  endFind(): void {
    this.#search.clearDecorations();
    this.terminal.clearSelection();
    this.onFound(0, 0);
  }

  paste(text: string): void {
    pasteInto(this.#app, this.terminal, text);
  }

  dispose(): void {
    this.#disposed = true;
    clearTimeout(this.#again);
    cancelAnimationFrame(this.#frame);
    this.#attachment?.close();
    this.#intake.close();
    this.terminal.dispose();
    this.element.remove();
  }

  #pasted(event: ClipboardEvent): void {
    event.preventDefault();
    event.stopPropagation();
    this.paste(event.clipboardData?.getData('text/plain') ?? '');
  }

  async #attach(): Promise<void> {
    try {
      // What was written before now is history: queries in it were answered when they were made.
      const written = this.#offset > 0 ? 0 : await this.line.written();
      this.#intake.historyUntil(Math.max(written, this.#offset));
      if (written > 0) this.onRestored();
      const attachment = await this.line.attach(this.#offset, this.size, {
        frames: (batch) => this.#take(batch),
        lost: () => this.#lost(),
      });
      if (this.#disposed) return attachment.close();
      this.#attachment = attachment;
      this.#intake.flushAcks();
      this.#tellSize();
    } catch (thrown) {
      if (this.line.process === null) this.#app.view.complain(asProblem(thrown));
      this.#lost();
    }
  }

  /** The process of a workspace behind it, where it is one. */
  get process(): Line['process'] {
    return this.line.process;
  }

  /** False: the stream is not there yet. */
  #acknowledge(bytes: number, fits: number): boolean {
    this.#attachment?.ack(bytes, fits);
    return this.#attachment !== null;
  }

  /** The stream ended by itself: attach again where it stopped, as long as the process is still listed. */
  #lost(): void {
    this.#attachment?.close();
    this.#attachment = null;
    if (this.#disposed || this.#ended) return;
    if (!this.line.stays()) return this.#exit({ code: null, signal: null });
    clearTimeout(this.#again);
    this.#again = setTimeout(() => void this.#attach(), REATTACH_MS);
  }

  #take(batch: Frame[]): void {
    for (const frame of batch) {
      if (frame.kind === 'exit') this.#exit(frame.exit);
      else if (frame.kind === 'gap') {
        this.#intake.note(t.terminal.gap(sizeText(Math.max(0, frame.offset - frame.from))));
        this.#offset = Math.max(this.#offset, frame.offset);
      } else {
        this.#intake.put(frame.payload, frame.offset);
        this.#offset = frame.offset + frame.payload.length;
      }
    }
  }

  #exit(exit: ProcessEnd): void {
    this.#ended = true;
    this.line.ended(exit);
    this.terminal.options.cursorInactiveStyle = 'none';
    this.terminal.options.disableStdin = true;
  }

  #send(bytes: Uint8Array): void {
    if (this.#ended || this.#attachment === null || this.#intake.inHistory) return;
    if (bytes.includes(13)) this.onLine();
    this.#attachment.input(bytes).catch((thrown: unknown) => {
      const problem = asProblem(thrown);
      // A program that ended says so by its exit; any other refusal is told, and the stream goes on.
      if (problem.code !== 'wrong-state' && problem.code !== 'not-found') this.#app.view.complain(problem);
    });
  }

  /** At most once a frame, and only what changed. */
  #tellSize(): void {
    if (this.#ended || !this.line.terminal || this.line.over()) return;
    cancelAnimationFrame(this.#frame);
    this.#frame = requestAnimationFrame(() => {
      const size = this.size;
      if (this.#sent?.columns === size.columns && this.#sent.rows === size.rows) return;
      this.#sent = size;
      this.line.resize(size).catch(() => {
        // It ended meanwhile; the exit frame says so. The next change of size asks again.
        this.#sent = null;
      });
    });
  }
}
