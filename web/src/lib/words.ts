/** A sentence's first letter as a capital; what is no plain word, such as an address, stays as it is. */
export function capital(text: string): string {
  return /^[a-z]+(?:[\s,;:'’]|$)/.test(text) && !/^\w+:\S/.test(text)
    ? text.charAt(0).toUpperCase() + text.slice(1)
    : text;
}

/** A text with a full stop, if it has no end of its own. */
export function sentence(text: string): string {
  const whole = capital(text.trim());
  return /[.!?…]$/.test(whole) ? whole : `${whole}.`;
}
