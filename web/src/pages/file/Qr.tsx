import { useSignal } from "@preact/signals";
import { useEffect } from "preact/hooks";
import { type Qr, qr } from "../../lib/qr";

/** The link as a picture that a phone reads. */
export function QrCode({ text, name }: { text: string; name: string }) {
  const code = useSignal<Qr | null>(null);
  useEffect(() => {
    let isCurrent = true;
    void qr(text).then((made) => {
      if (isCurrent) code.value = made;
    });
    return () => {
      isCurrent = false;
    };
  }, [text]);
  if (!code.value) return null;
  const { size, path } = code.value;
  return (
    <svg class="qr" viewBox={`0 0 ${size} ${size}`} role="img" aria-label={`QR code of the link of ${name}`}>
      <rect width={size} height={size} />
      <path d={path} />
    </svg>
  );
}
