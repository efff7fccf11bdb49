package newsletter

import "context"

// SnapshotByID is Snapshot for a program that holds the issue's id: a test letter.
func (s *Service) SnapshotByID(ctx context.Context, id IssueID) (Issue, Snapshot, error) {
	var issue Issue
	var snap Snapshot
	err := s.view(ctx, func(tx Tx) (err error) {
		if issue, err = tx.IssueByID(ctx, id); err != nil {
			return err
		}
		snap, err = s.SnapshotIn(ctx, tx, issue)
		return err
	})
	return issue, snap, err
}

// Line is the sender's data as one line of a footer: 상호 | 대표 | 주소 | 전화 | 이메일.
func (l Legal) Line() string {
	line := ""
	for _, f := range []string{l.Name, l.Representative, l.Address, l.Phone, l.Email} {
		if f == "" {
			continue
		}
		if line != "" {
			line += " | "
		}
		line += f
	}
	return line
}
