package newsletter

import (
	"bufio"
	"context"
	"encoding/csv"
	"fmt"
	"io"
	"strings"
	"time"
	"unicode/utf8"

	"golang.org/x/text/unicode/norm"
)

// Formats of ExportSubscribers.
const (
	ExportCSV    = "csv"    // ours, lossless: an import of it gives the same readers
	ExportSafe   = "safe"   // ours, to be opened in Excel
	ExportStibee = "stibee" // what Stibee takes in
)

const exportPage = 500

var exportColumns = []string{
	"email", "name", "status", "tags", "source", "subscribed_at", "confirmed_at", "unsubscribed_at", "unsubscribe_reason",
	"ad_consent", "ad_consent_at", "bounced_at", "created_at", "updated_at",
	"custom_suppression", "custom_suppressed_at", "custom_paused_until", "custom_no_tracking",
}

var stibeeColumns = []string{"이메일 주소", "이름", "추가 경로", "그룹", "광고성 정보 수신 동의", "구독일", "마지막 업데이트일", "구독 해지 사유", "수신거부"}

// ExportSubscribers writes the readers that match as CSV, newest first, and returns how many. It streams: a page of
// 500 at a time, each one consistent in itself. Format "" means csv. The safe and stibee formats begin with a BOM and keep
// spreadsheets from taking a cell for a formula. Stibee knows no unconfirmed readers, so pending ones are left out there.
// It is written to the audit log before the first line leaves.
func (s *Service) ExportSubscribers(ctx context.Context, actor string, w io.Writer, f SubscriberFilter, format string) (int64, error) {
	columns, cells := exportColumns, exportCells
	switch format {
	case "", ExportCSV:
		format = ExportCSV
	case ExportSafe:
	case ExportStibee:
		columns, cells = stibeeColumns, stibeeCells
	default:
		return 0, invalid("format", "내보내는 형식은 csv, safe, stibee 가운데 하나예요.")
	}
	err := s.update(ctx, func(tx Tx) error { return s.audit(ctx, tx, actor, "export", "subscribers", format) })
	if err != nil {
		return 0, fmt.Errorf("export: %w", err)
	}
	buf := bufio.NewWriterSize(w, 64<<10)
	if format != ExportCSV {
		if _, err := buf.WriteString("\uFEFF"); err != nil {
			return 0, err
		}
	}
	out := csv.NewWriter(buf)
	if err := out.Write(columns); err != nil {
		return 0, err
	}
	n, err := s.exportPages(ctx, f, func(sub Subscriber, sup Suppression) error {
		row := cells(sub, sup)
		if format != ExportCSV {
			for i := range row {
				row[i] = safeCell(row[i])
			}
		}
		return out.Write(row)
	}, format == ExportStibee)
	if err != nil {
		return n, fmt.Errorf("export: %w", err)
	}
	out.Flush()
	if err := out.Error(); err != nil {
		return n, err
	}
	return n, buf.Flush()
}

func (s *Service) exportPages(ctx context.Context, f SubscriberFilter, write func(Subscriber, Suppression) error, confirmed bool) (n int64, err error) {
	f = f.clean()
	f.Limit = exportPage
	for {
		var rows []Subscriber
		known := map[AddressKey]Known{}
		err := s.view(ctx, func(tx Tx) (err error) {
			if rows, err = tx.Subscribers(ctx, f); err != nil {
				return err
			}
			var keys []AddressKey
			for _, r := range rows {
				if r.Suppression != "" {
					keys = append(keys, r.AddrKey)
				}
			}
			if len(keys) > 0 {
				known, err = tx.Known(ctx, keys)
			}
			return err
		})
		if err != nil || len(rows) == 0 {
			return n, err
		}
		for _, r := range rows {
			f.Cursor = int64(r.ID)
			if confirmed && r.Status == Pending {
				continue
			}
			if err := write(r, known[r.AddrKey].Suppression); err != nil {
				return n, err
			}
			n++
		}
	}
}

func exportCells(sub Subscriber, sup Suppression) []string {
	bounced := time.Time{}
	if sup.Reason == SuppressedHard || sup.Reason == SuppressedSoft {
		bounced = sup.CreatedAt
	}
	return []string{
		sub.Email.String(), sub.Name, string(sub.Shown()), strings.Join(sub.Tags, ","), sub.Source,
		stamp(sub.ConsentAt), stamp(sub.ConfirmedAt), stamp(sub.UnsubscribedAt), sub.UnsubscribeReason,
		fmt.Sprint(sub.AdConsent), stamp(sub.AdConsentAt), stamp(bounced), stamp(sub.CreatedAt), stamp(sub.UpdatedAt),
		string(sup.Reason), stamp(sup.CreatedAt), stamp(sub.PausedUntil), fmt.Sprint(sub.NoTracking),
	}
}

func stibeeCells(sub Subscriber, _ Suppression) []string {
	day := func(t time.Time) string {
		if t.IsZero() {
			return ""
		}
		return t.In(kst).Format("2006-01-02 15:04:05")
	}
	letter := map[bool]string{true: "Y", false: "N"}
	return []string{
		sub.Email.String(), sub.Name, sub.Source, strings.Join(sub.Tags, ","), letter[sub.AdConsent], day(firstOf(sub.ConsentAt, sub.CreatedAt)),
		day(sub.UpdatedAt), sub.UnsubscribeReason, letter[sub.Shown() != Active],
	}
}

// stamp keeps the milliseconds that the store keeps.
func stamp(t time.Time) string {
	if t.IsZero() {
		return ""
	}
	return t.UTC().Format("2006-01-02T15:04:05.000Z")
}

// safeCell keeps spreadsheets from running a cell as a formula (OWASP, CSV injection; S40): an apostrophe before what begins
// one, in full-width letters too, which some of them fold.
func safeCell(s string) string {
	r, _ := utf8.DecodeRuneInString(s)
	if r == '\t' || r == '\r' || r == '\n' || strings.ContainsAny(norm.NFKC.String(string(r)), "=+-@") {
		return "'" + s
	}
	return s
}
