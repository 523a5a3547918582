// Every picture of the shop, drawn as SVG: the page loads nothing from anywhere else.
import type { ArtName } from './goods'

export function Seascape() {
  return (
    <svg className="seascape" viewBox="0 0 560 300" preserveAspectRatio="xMidYMid slice" role="img" aria-label="A sailing boat at dusk">
      <defs>
        <linearGradient id="sky" x1="0" y1="0" x2="0" y2="1">
          <stop offset="0" stopColor="#8fc0d2" />
          <stop offset="0.62" stopColor="#f2d9b4" />
          <stop offset="1" stopColor="#f3c98b" />
        </linearGradient>
        <linearGradient id="sea" x1="0" y1="0" x2="0" y2="1">
          <stop offset="0" stopColor="#3d7f97" />
          <stop offset="1" stopColor="#14384a" />
        </linearGradient>
      </defs>
      <rect width="560" height="300" fill="url(#sky)" />
      <circle cx="164" cy="140" r="46" fill="#fbe6bd" opacity="0.5" />
      <circle cx="164" cy="140" r="33" fill="#f9d79a" />
      <path d="M0 172c60-26 96-34 150-24 44 8 70-14 118-12 62 2 84 28 140 20 60-8 104-26 152-12v60H0Z" fill="#6d97a4" opacity="0.75" />
      <path d="M330 176c40-22 70-44 112-40 44 4 72 22 118 18v50H330Z" fill="#47717f" opacity="0.8" />
      <rect y="182" width="560" height="118" fill="url(#sea)" />
      <path d="M116 190h96M126 201h74M138 213h50M148 226h30" stroke="#f9d79a" strokeWidth="3" strokeLinecap="round" opacity="0.7" />
      <g className="boat">
        <path d="M352 86v118" stroke="#243b46" strokeWidth="4" strokeLinecap="round" />
        <path d="M346 92c-34 34-52 70-58 102h58Z" fill="#fdfaf3" />
        <path d="M358 100c26 26 42 60 48 92h-48Z" fill="#f0e4cd" />
        <path d="M352 86h22l-8 7 8 7h-22Z" fill="#c8553d" />
        <path d="M282 204h140c-6 20-18 31-36 31h-66c-18 0-30-11-38-31Z" fill="#c8553d" />
        <path d="M282 204h140l-3 8H285Z" fill="#fdfaf3" />
      </g>
      <path className="wave" d="M-80 236c40-12 60-12 100 0s60 12 100 0 60-12 100 0 60 12 100 0 60-12 100 0 60 12 100 0 60-12 100 0v90H-80Z" fill="#1f5064" opacity="0.85" />
      <path className="wave slow" d="M-80 262c40-12 60-12 100 0s60 12 100 0 60-12 100 0 60 12 100 0 60-12 100 0 60 12 100 0 60-12 100 0v70H-80Z" fill="#14384a" />
    </svg>
  )
}

const drawings: Record<ArtName, React.ReactNode> = {
  rope: (
    <g fill="none" stroke="#b98d4f" strokeLinecap="round">
      <ellipse cx="80" cy="74" rx="46" ry="17" strokeWidth="11" />
      <ellipse cx="80" cy="62" rx="46" ry="17" strokeWidth="11" stroke="#c99f62" />
      <ellipse cx="80" cy="50" rx="46" ry="17" strokeWidth="11" stroke="#d6b17a" />
      <path d="M122 57c14 12 14 34 2 44" strokeWidth="11" stroke="#c99f62" />
      <path d="M52 44l8-6M74 38l9-4M98 38l9 1M118 47l6 5M42 62l8 6M66 71l10 2M92 72l10-2M114 66l6-5" strokeWidth="2.5" stroke="#9a7038" />
      <path d="M121 102l7 4" strokeWidth="13" stroke="#c8553d" />
    </g>
  ),
  lamp: (
    <g>
      <path d="M62 26c0-14 36-14 36 0" fill="none" stroke="#2b4a55" strokeWidth="4" />
      <rect x="60" y="26" width="40" height="10" rx="3" fill="#2f6d86" />
      <path d="M64 36h32l6 46H58Z" fill="#fff6df" />
      <ellipse cx="80" cy="62" rx="20" ry="22" fill="#fbe0a4" opacity="0.9" />
      <path d="M80 46c9 11 10 16 8 21a8.5 8.5 0 0 1-16 0c-2-5-1-10 8-21Z" fill="#f0a64a" />
      <path d="M64 36l-6 46M96 36l6 46M80 36v10M60 60h40" stroke="#2b4a55" strokeWidth="3" fill="none" />
      <rect x="52" y="82" width="56" height="12" rx="3" fill="#2f6d86" />
      <rect x="60" y="94" width="40" height="8" rx="3" fill="#14384a" />
    </g>
  ),
  knife: (
    <g transform="rotate(-24 80 62)">
      <path d="M78 50h58c4 0 7 4 6 8l-2 8c-1 3-4 5-7 5H78Z" fill="#8a5a3a" />
      <path d="M78 50h58c4 0 7 4 6 8l-1 3H78Z" fill="#a4714c" />
      <path d="M78 52H34c-14 0-22 6-26 15 12 4 26 4 40 3l30-1Z" fill="#c4ced6" />
      <path d="M78 52H34c-8 0-14 2-19 6h63Z" fill="#e5ebef" />
      <circle cx="94" cy="60" r="2.6" fill="#f3c98b" />
      <circle cx="112" cy="60" r="2.6" fill="#f3c98b" />
      <circle cx="132" cy="60" r="4" fill="none" stroke="#f3c98b" strokeWidth="2.5" />
      <path d="M136 61c14 2 16 16 6 24" fill="none" stroke="#d6b17a" strokeWidth="3.5" strokeLinecap="round" />
    </g>
  ),
  kettle: (
    <g>
      <path d="M52 42c2-26 54-26 56 0" fill="none" stroke="#2b4a55" strokeWidth="5" strokeLinecap="round" />
      <path d="M46 60c0-16 14-24 34-24s34 8 34 24v24c0 12-8 18-20 18H66c-12 0-20-6-20-18Z" fill="#c8553d" />
      <path d="M46 60c0-16 14-24 34-24 6 0 11 .7 16 2-24 2-34 14-34 34v30c-10-1-16-8-16-18Z" fill="#d9715b" />
      <path d="M112 62l20-16c4-3 8 1 5 5l-15 22-10 4Z" fill="#b1452f" />
      <ellipse cx="80" cy="38" rx="20" ry="5" fill="#b1452f" />
      <circle cx="80" cy="31" r="5" fill="#2b4a55" />
      <path d="M134 36c-4-6 4-10 0-16M144 34c-4-6 4-10 0-16" fill="none" stroke="#9fb6bd" strokeWidth="3" strokeLinecap="round" />
    </g>
  ),
}

export function Drawing({ name }: { name: ArtName }) {
  return (
    <svg className="drawing" viewBox="0 0 160 120" aria-hidden="true">
      <ellipse cx="80" cy="106" rx="52" ry="6" fill="#1d2a33" opacity="0.08" />
      {drawings[name]}
    </svg>
  )
}
