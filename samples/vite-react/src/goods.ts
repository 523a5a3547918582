// What the shop sells. One entry is one card; `art` names a drawing in Art.tsx.

export type ArtName = 'rope' | 'lamp' | 'knife' | 'kettle'

export interface Good {
  id: string
  name: string
  yard: string
  price: number
  art: ArtName
  tone: string
}

export const goods: Good[] = [
  { id: 'mooring-line', name: 'Mooring line, 12 mm', yard: 'Tolhaven ropewalk', price: 38, art: 'rope', tone: '#ece2d0' },
  { id: 'deck-lamp', name: 'Deck lamp no. 4', yard: 'Brennick & Daughter', price: 96, art: 'lamp', tone: '#dbe7e6' },
  { id: 'rigging-knife', name: 'Rigging knife', yard: 'Osk smithy', price: 64, art: 'knife', tone: '#e6e1ea' },
  { id: 'galley-kettle', name: 'Galley kettle', yard: 'Lower Quay tinworks', price: 52, art: 'kettle', tone: '#f1ded2' },
]
