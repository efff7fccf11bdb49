package newsletter

import (
	"context"
	"fmt"
	"time"
)

// RestCopy makes a copied house send nothing until a person wakes it: the original may still be sending. Its issues pause, its
// single letters are cancelled, since the original sends them.
func RestCopy(ctx context.Context, store Store, now time.Time) error {
	err := store.Update(ctx, func(tx Tx) error {
		r, err := tx.HouseRest(ctx)
		if err != nil {
			return err
		}
		r.Why = RestCopied
		if err := tx.PutHouseRest(ctx, r); err != nil {
			return err
		}
		if _, err := holdIssues(ctx, tx, string(RestCopied), "", now); err != nil {
			return err
		}
		if _, err := tx.HoldNotices(ctx, string(RestCopied), now); err != nil {
			return err
		}
		return tx.PutAlert(ctx, &Alert{Kind: alertResting, Text: restTexts[RestCopied], At: now})
	})
	if err != nil {
		return fmt.Errorf("put the copy to rest: %w", err)
	}
	return nil
}
