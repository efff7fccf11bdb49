package newsletter

import (
	"context"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"
)

// Hit is one opening of a letter, or one click in it, known by the token that the letter carries.
type Hit struct {
	Delivery DeliveryID
	Link     int64 // of a TrackedLink; 0 is an opening
	At       time.Time
	Machine  bool   // a proxy or a scanner, not a person, as far as can be told
	Why      string // by which it was told
}

// TrackedDelivery is what judging a letter's hits needs to know of it.
type TrackedDelivery struct {
	SentAt time.Time // or handed over, for a letter in doubt; zero before
	Links  int       // counted addresses of its issue
}

// LinkTally is how often an address was clicked, counting each letter once.
type LinkTally struct {
	ID     int64
	URL    string
	Target string // where it leads now, "" for where it says
	Clicks int64
	People int64 // the part that no machine made
}

// HitTx keeps what readers' mail programs tell of letters.
type HitTx interface {
	// TrackLinks stores the addresses that an issue's counted links may lead to; one that is there already keeps its id.
	TrackLinks(ctx context.Context, id IssueID, urls []string) ([]TrackedLink, error)
	// TrackedURL is where a link of a delivery's issue leads. NotFound for a link of another issue.
	TrackedURL(ctx context.Context, id DeliveryID, link int64) (string, error)
	// PointLink makes a counted link of an issue lead elsewhere ("" where it did) and returns the address in the letter.
	PointLink(ctx context.Context, id IssueID, link int64, target string) (url string, err error)
	// TrackedDelivery is NotFound for an unknown letter, for one whose reader is gone or has refused to be counted.
	TrackedDelivery(ctx context.Context, id DeliveryID) (TrackedDelivery, error)
	// ClicksSince lists a letter's clicks from then on.
	ClicksSince(ctx context.Context, id DeliveryID, since time.Time) ([]Hit, error)
	// MarkMachineClicks says of a letter's clicks from then on that a machine made them.
	MarkMachineClicks(ctx context.Context, id DeliveryID, since time.Time) error
	// AddHit writes a hit down, and with it the letter's first opening and click. One that was uncertain, or waits for its second
	// try, is sent: somebody has it. A letter keeps its first 200 hits.
	AddHit(ctx context.Context, h Hit) error
	// LinkTallies lists an issue's links, the most clicked first.
	LinkTallies(ctx context.Context, id IssueID) ([]LinkTally, error)
}

const (
	soonAfter   = 10 * time.Second // a hit so soon after the delivery is a scanner's
	sweepWindow = 10 * time.Second // clicks so close to each other are looked at together
	pendingHits = 50_000           // what is kept in memory at most when the store cannot write
)

// machineClicks tells from the distinct links clicked within one window whether a scanner followed them all.
func machineClicks(clicked, links int) bool {
	return clicked >= 5 || clicked >= 3 && clicked >= links
}

// LinkTarget returns where a counted link leads, and the click to count. The id is a delivery's token and, behind a dot, a link's
// number: it can lead only where a link of that very issue leads. NotFound otherwise.
func (s *Service) LinkTarget(ctx context.Context, id string) (string, Hit, error) {
	token, number, _ := strings.Cut(id, ".")
	delivery, err := s.opt.Keys().Verify(PurposeClick, token, s.opt.Now())
	if err != nil {
		return "", Hit{}, err
	}
	link, err := strconv.ParseInt(number, 36, 64)
	if err != nil || link <= 0 {
		return "", Hit{}, badToken()
	}
	h := Hit{Delivery: DeliveryID(delivery), Link: link, At: s.opt.Now()}
	url, err := get(ctx, s, func(tx Tx) (string, error) { return tx.TrackedURL(ctx, h.Delivery, link) })
	return url, h, err
}

// Opening returns the opening that a picture's token stands for, NotFound for a token that is not ours.
func (s *Service) Opening(token string) (Hit, error) {
	delivery, err := s.opt.Keys().Verify(PurposeOpen, token, s.opt.Now())
	return Hit{Delivery: DeliveryID(delivery), At: s.opt.Now()}, err
}

// CountHit keeps a hit in memory: a reader who clicks waits for no disk. FlushHits writes it down.
func (s *Service) CountHit(h Hit) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(s.hits) < pendingHits {
		s.hits = append(s.hits, h)
	}
}

// FlushHits writes the hits of about the last second. When it fails they are kept for the next time.
func (s *Service) FlushHits(ctx context.Context) error {
	const batch = 500 // one transaction, so that no letter waits long for the writer
	s.mu.Lock()
	hits := s.hits
	s.hits = nil
	s.mu.Unlock()
	if len(hits) > 0 {
		if h, err := s.House(ctx); err == nil && h.TrackingOff != "" { // letters from before it was turned off
			return nil
		}
	}
	// A letter's hits stand together, so that they are judged together; the order of its own hits stays.
	slices.SortStableFunc(hits, func(a, b Hit) int { return int(a.Delivery - b.Delivery) })
	for len(hits) > 0 {
		n := min(batch, len(hits))
		for n < len(hits) && hits[n].Delivery == hits[n-1].Delivery {
			n++
		}
		if err := s.update(ctx, func(tx Tx) error { return addHits(ctx, tx, hits[:n]) }); err != nil {
			s.mu.Lock()
			defer s.mu.Unlock()
			s.hits = append(hits, s.hits...)
			return fmt.Errorf("write %d hits: %w", len(hits), err)
		}
		hits = hits[n:]
	}
	return nil
}

func addHits(ctx context.Context, tx Tx, hits []Hit) error {
	for len(hits) > 0 {
		n := 1
		for n < len(hits) && hits[n].Delivery == hits[0].Delivery {
			n++
		}
		if err := addHitsOf(ctx, tx, hits[0].Delivery, slices.Clone(hits[:n])); err != nil {
			return fmt.Errorf("hits of letter %d: %w", hits[0].Delivery, err)
		}
		hits = hits[n:]
	}
	return nil
}

// addHitsOf judges one letter's hits and writes them; the same thing twice within a second is one hit.
func addHitsOf(ctx context.Context, tx Tx, id DeliveryID, hits []Hit) error {
	d, err := tx.TrackedDelivery(ctx, id)
	if known, err := found(err); err != nil || !known {
		return err
	}
	since := hits[0].At.Add(-sweepWindow)
	before, err := tx.ClicksSince(ctx, id, since)
	if err != nil {
		return err
	}
	clicked := map[int64]bool{}
	for _, h := range append(before, hits...) {
		if h.Link != 0 {
			clicked[h.Link] = true
		}
	}
	swept := machineClicks(len(clicked), d.Links)
	if swept && len(before) > 0 {
		if err := tx.MarkMachineClicks(ctx, id, since); err != nil {
			return err
		}
	}
	done := map[int64]bool{}
	for _, h := range hits {
		if done[h.Link] {
			continue
		}
		done[h.Link] = true
		h.Why = d.verdict(h, swept)
		h.Machine = h.Why != ""
		if err := tx.AddHit(ctx, h); err != nil {
			return err
		}
	}
	return nil
}

// verdict says by what a hit is told for a machine's, "" for a person's.
func (d TrackedDelivery) verdict(h Hit, swept bool) string {
	switch {
	case h.Machine:
		return WhyAgent
	case d.SentAt.IsZero():
		return WhyEarly
	case h.At.Before(d.SentAt.Add(soonAfter)):
		return WhySoon
	case swept && h.Link != 0:
		return WhySweep
	}
	return ""
}

// track stores the counted addresses of an edition about to be frozen.
func (s *Service) track(ctx context.Context, tx Tx, id IssueID, snap *Snapshot) error {
	if !snap.Tracking || s.opt.Links == nil {
		return nil
	}
	urls, err := s.opt.Links(*snap)
	if err != nil {
		return fmt.Errorf("find the links of issue %d: %w", snap.Number, err)
	}
	snap.TrackedLinks, err = tx.TrackLinks(ctx, id, urls)
	return err
}
