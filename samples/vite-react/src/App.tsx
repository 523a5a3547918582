import { useState } from 'react'
import { Drawing, Seascape } from './Art'
import { goods } from './goods'
import './App.css'

function App() {
  const [cart, setCart] = useState<Record<string, number>>({ 'deck-lamp': 1, 'mooring-line': 1 })
  const count = Object.values(cart).reduce((sum, n) => sum + n, 0)
  const total = goods.reduce((sum, good) => sum + good.price * (cart[good.id] ?? 0), 0)

  return (
    <>
      <nav>
        <a className="brand" href="#top">Harbour Goods</a>
        <a href="#collection">Shop</a>
        <a href="#yards">Yards</a>
        <a href="#care">Care</a>
        <span className="cart" title={`Total ${total} €`}>
          Cart <b>({count})</b>
        </span>
      </nav>

      <header className="hero" id="top">
        <div>
          <h1>Made to be used at sea.</h1>
          <p>Ropes, lamps and knives from eleven small yards.</p>
          <a className="button" href="#collection">See the collection</a>
        </div>
        <Seascape />
      </header>

      <main>
        <section className="cards" id="collection" aria-label="The collection">
          {goods.map((good) => (
            <article key={good.id}>
              <div className="picture" style={{ background: good.tone }}>
                <Drawing name={good.art} />
              </div>
              <h2>{good.name}</h2>
              <p>{good.yard}</p>
              <footer>
                <span>{good.price} €</span>
                <button
                  type="button"
                  onClick={() => setCart((now) => ({ ...now, [good.id]: (now[good.id] ?? 0) + 1 }))}
                  aria-label={`Add ${good.name} to the cart`}
                >
                  {cart[good.id] ? `In cart: ${cart[good.id]}` : 'Add'}
                </button>
              </footer>
            </article>
          ))}
        </section>

        <section className="two">
          <div id="yards">
            <h3>Eleven yards, one slip</h3>
            <p>
              Every piece is made where it is mended. We visit each yard twice a year and buy only what its own crews use.
            </p>
          </div>
          <div id="care">
            <h3>Rinse, dry, oil, repeat</h3>
            <p>Fresh water after salt, shade before sun, and a drop of linseed in autumn. Things last when they are looked after.</p>
          </div>
        </section>
      </main>

      <footer className="end">Harbour Goods is a sample that comes with Slipway. Nothing here is for sale.</footer>
    </>
  )
}

export default App
