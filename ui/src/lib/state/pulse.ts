// Asking again and again, as often as somebody looks: often while there are signs of a person, seldom when there are
// none, seldomer while the answers stay the same too, not at all while the window cannot be seen. No question is asked
// before the one before it was answered.

const SIGNS = ['pointermove', 'pointerdown', 'wheel', 'keydown'] as const;

export type Beat = {
  /** Between two questions while somebody is there, milliseconds. */
  watched: number;
  /** And while nobody is. */
  idle: number;
  /** This long after the last sign, somebody is still taken to be looking. */
  attention: number;
  /** It must not reject. True when it brought nothing new: while nobody is there, the next question may then wait longer. */
  take: () => Promise<boolean>;
  /** Somebody is there, or no longer. */
  onattention?: (attentive: boolean) => void;
};

/** Times the idle span, at most, between two questions that bring nothing new. */
const MOST_SPANS = 4;

/** Begins at once; the answer ends it. */
export function pulse({ watched, idle, attention, take, onattention }: Beat): () => void {
  let [ended, busy, there] = [false, false, true];
  let timer: ReturnType<typeof setTimeout> | undefined;
  let [read, seen] = [Number.NEGATIVE_INFINITY, Date.now()];
  let spans = 1;
  const tell = (attentive: boolean) => {
    if (there === attentive) return;
    there = attentive;
    onattention?.(attentive);
  };
  const plan = () => {
    clearTimeout(timer);
    if (ended || busy || document.visibilityState !== 'visible') return;
    const attentive = Date.now() - seen < attention;
    if (attentive) spans = 1;
    tell(attentive);
    timer = setTimeout(() => void turn(), Math.max(0, read + (attentive ? watched : idle * spans) - Date.now()));
  };
  const turn = async () => {
    busy = true;
    read = Date.now();
    spans = (await take()) ? Math.min(MOST_SPANS, spans * 2) : 1;
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
