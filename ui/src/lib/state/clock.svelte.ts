// Now, once a second, while somebody can see it.

class Clock {
  now = $state(Date.now());
  #timer: ReturnType<typeof setInterval> | undefined;

  start(): () => void {
    const watch = () => {
      clearInterval(this.#timer);
      this.#timer = undefined;
      if (document.visibilityState !== 'visible') return;
      this.now = Date.now();
      this.#timer = setInterval(() => {
        this.now = Date.now();
      }, 1000);
    };
    watch();
    document.addEventListener('visibilitychange', watch);
    return () => {
      clearInterval(this.#timer);
      document.removeEventListener('visibilitychange', watch);
    };
  }
}

export const clock = new Clock();
