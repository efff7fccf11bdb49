package mailer

import (
	"context"
	"runtime"
	"time"

	"techissue/newsletter"
)

// turnsAtOnce is how many workers share one commit at most.
const turnsAtOnce = 64

// ledger writes the results and opens the gates of all workers. While one commit waits for the disk the next turns gather;
// it never waits for more to come (delivery.md's measurement: a timer of 5 ms gave a sixth of the letters).
type ledger struct {
	store newsletter.QueueStore
	now   func() time.Time
	asks  chan ask
}

type ask struct {
	turn   newsletter.Turn
	answer chan<- answer
}

type answer struct {
	newsletter.TurnAnswer
	err error // of the store: nothing happened, or, on a connection lost at its commit, nobody knows
}

func newLedger(store newsletter.QueueStore, now func() time.Time) *ledger {
	return &ledger{store: store, now: now, asks: make(chan ask, turnsAtOnce)}
}

// run serves until the asks are closed.
func (l *ledger) run(ctx context.Context) {
	for first := range l.asks {
		batch := append(make([]ask, 0, turnsAtOnce), first)
		l.letRunnableAsk()
		for more := true; more && len(batch) < turnsAtOnce; {
			select {
			case next, open := <-l.asks:
				if more = open; open {
					batch = append(batch, next)
				}
			default:
				more = false
			}
		}
		l.write(ctx, batch)
	}
}

// letRunnableAsk lets whoever can run now come with what they have, so that it shares this commit. It waits for nobody who
// waits for the network or the disk: with an idle processor it returns at once.
func (l *ledger) letRunnableAsk() {
	for before := -1; before != len(l.asks); {
		before = len(l.asks)
		runtime.Gosched()
	}
}

func (l *ledger) write(ctx context.Context, batch []ask) {
	turns := make([]newsletter.Turn, len(batch))
	for n, a := range batch {
		turns[n] = a.turn
	}
	answers, err := l.store.Turns(ctx, turns, l.now())
	for n, a := range batch {
		if err != nil {
			a.answer <- answer{err: err}
			continue
		}
		a.answer <- answer{TurnAnswer: answers[n]}
	}
}

// turn asks for one turn and waits until it is on disk. answers is the worker's own channel, of one place.
func (l *ledger) turn(t newsletter.Turn, answers chan answer) answer {
	l.asks <- ask{turn: t, answer: answers}
	return <-answers
}
