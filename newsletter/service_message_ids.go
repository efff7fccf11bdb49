package newsletter

import (
	"context"
	"fmt"
)

// MessageIDs gives the Message-ID of each letter as its header has it, with angle brackets; "" for one that no worker has taken
// yet, since the edition, which is named then, decides on the key.
func (s *Service) MessageIDs(ctx context.Context, letters []Delivery) ([]string, error) {
	type edition struct {
		issue  IssueID
		number int
	}
	known := map[edition]Snapshot{}
	err := s.view(ctx, func(tx Tx) error {
		seen := map[IssueID]bool{}
		for _, d := range letters {
			if d.Edition == 0 || seen[d.Issue] {
				continue
			}
			seen[d.Issue] = true
			list, err := tx.Editions(ctx, d.Issue)
			if err != nil {
				return fmt.Errorf("editions of issue %d: %w", d.Number, err)
			}
			for _, e := range list {
				known[edition{e.Issue, e.Number}] = e.Snapshot
			}
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	ids, keys := make([]string, len(letters)), s.opt.Keys()
	for n, d := range letters {
		if snap, ok := known[edition{d.Issue, d.Edition}]; ok {
			ids[n] = keys.MessageID(int64(d.Issue), int64(d.ID), snap.KeyID, snap.House.ListID)
		}
	}
	return ids, nil
}
