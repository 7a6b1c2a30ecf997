// Pictograms, 24 × 24, drawn with strokes in the colour of the text.

const SHAPES = {
  home: "M4 11.5 12 4l8 7.5V20h-5.5v-5.5h-5V20H4z",
  peers:
    "M12 9.5a2.5 2.5 0 1 0 0 5 2.5 2.5 0 0 0 0-5M5 3.5a1.8 1.8 0 1 0 0 3.6 1.8 1.8 0 0 0 0-3.6M19 3.5a1.8 1.8 0 1 0 0 3.6 1.8 1.8 0 0 0 0-3.6M5 16.9a1.8 1.8 0 1 0 0 3.6 1.8 1.8 0 0 0 0-3.6M19 16.9a1.8 1.8 0 1 0 0 3.6 1.8 1.8 0 0 0 0-3.6M6.4 6.6 10 10.2M17.6 6.6 14 10.2M6.4 17.4 10 13.8M17.6 17.4 14 13.8",
  activity: "M3 12.5h4l2.5-7 4 13 2.5-8 1.5 2H21",
  settings: "M4 7h8M18 7h2M4 17h2M12 17h8M15 4.5v5M9 14.5v5",
  down: "M12 4v12M6.5 11 12 16.5 17.5 11M5 20h14",
  up: "M12 20V8M6.5 13 12 7.5 17.5 13M5 4h14",
  copy: "M9 9h11v11H9zM15 9V4H4v11h5",
  check: "M4.5 12.5 10 18 20 6.5",
  pin: "M9 4h6l-.8 6 3.3 3.5H6.5L9.8 10zM12 13.5V20",
  trash: "M5 7h14M10 7V4.5h4V7M7 7l1 13h8l1-13M10.5 11v5M13.5 11v5",
  stop: "M7.5 7.5h9v9h-9z",
  close: "M6 6l12 12M18 6 6 18",
  file: "M6 3.5h8L18.5 8v12.5H6zM14 3.5V8h4.5",
  folder: "M3.5 6h6l2 2.5h9V19h-17z",
  plus: "M12 5v14M5 12h14",
  warning: "M12 4 2.5 20h19zM12 10v4.5M12 17.3v.2",
  link: "M10 14a4 4 0 0 0 5.7 0l3.2-3.2a4 4 0 0 0-5.7-5.7L12 6.3M14 10a4 4 0 0 0-5.7 0l-3.2 3.2a4 4 0 0 0 5.7 5.7l1.2-1.2",
  open: "M14 4h6v6M20 4l-9 9M18 14v6H4V6h6",
  reset: "M5 5v5h5M5.5 10a7.5 7.5 0 1 1-1 5",
} as const;

export type IconName = keyof typeof SHAPES;

export function Icon({ name, size = 20 }: { name: IconName; size?: number }) {
  return (
    <svg class={`icon icon-${name}`} width={size} height={size} viewBox="0 0 24 24" aria-hidden="true">
      <path d={SHAPES[name]} />
    </svg>
  );
}
