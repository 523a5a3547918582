// Asking again and again, as often as somebody looks: often while there are signs of a person, seldom when there are
// none, not at all while the window cannot be seen. No question is asked before the one before it was answered.

const SIGNS = ['pointermove', 'pointerdown', 'wheel', 'keydown'] as const;

export type Beat = {
  /** Between two questions while somebody is there, milliseconds. */
  watched: number;
  /** And while nobody is. */
  idle: number;
  /** This long after the last sign, somebody is still taken to be looking. */
  attention: number;
  /** It must not reject. */
  take: () => Promise<void>;
  /** Somebody is there, or no longer. */
  onattention?: (attentive: boolean) => void;
};

/** Begins at once; the answer ends it. */
export function pulse({ watched, idle, attention, take, onattention }: Beat): () => void {
  let [ended, busy, there] = [false, false, true];
  let timer: ReturnType<typeof setTimeout> | undefined;
  let [read, seen] = [Number.NEGATIVE_INFINITY, Date.now()];
  const tell = (attentive: boolean) => {
    if (there === attentive) return;
    there = attentive;
    onattention?.(attentive);
  };
  const plan = () => {
    clearTimeout(timer);
    if (ended || busy || document.visibilityState !== 'visible') return;
    const attentive = Date.now() - seen < attention;
    tell(attentive);
    timer = setTimeout(() => void turn(), Math.max(0, read + (attentive ? watched : idle) - Date.now()));
  };
  const turn = async () => {
    busy = true;
    read = Date.now();
    await take();
    busy = false;
    plan();
  };
  const notice = () => {
    const away = Date.now() - seen >= attention;
    seen = Date.now();
    if (away) plan();
  };
  for (const sign of SIGNS) window.addEventListener(sign, notice, { capture: true, passive: true });
  document.addEventListener('visibilitychange', plan);
  plan();
  return () => {
    ended = true;
    clearTimeout(timer);
    for (const sign of SIGNS) window.removeEventListener(sign, notice, { capture: true });
    document.removeEventListener('visibilitychange', plan);
  };
}
