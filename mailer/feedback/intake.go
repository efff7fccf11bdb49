package feedback

import (
	"context"
	"fmt"

	"techissue/newsletter"
)

// Intake takes messages in, whichever way they came. It may be used from several goroutines.
type Intake struct {
	Taker Taker
	// House is asked for each message, since the desk may change who sends.
	House func(context.Context) (House, error)
}

// Message judges one message and acts on it. An error means that it has to come again: what was taken of it already is known then
// and changes nothing twice.
func (t Intake) Message(ctx context.Context, message []byte, env Envelope, via string) ([]newsletter.FeedbackResult, error) {
	h, err := t.House(ctx)
	if err != nil {
		return nil, fmt.Errorf("take a message in by %s: %w", via, err)
	}
	return t.take(ctx, h.Judge(message, env, via))
}

func (t Intake) take(ctx context.Context, news []newsletter.Feedback) (results []newsletter.FeedbackResult, err error) {
	for _, f := range news {
		r, err := t.Taker.TakeFeedback(ctx, f)
		if err != nil {
			return results, err
		}
		results = append(results, r)
	}
	return results, nil
}
