package newsletter

import (
	"strings"
	"time"
)

// importRow is what one line says of one reader.
type importRow struct {
	line   int64
	shown  string // the address cell as it was, for a report of refusal
	key    AddressKey
	reader Subscriber // what the file knows: address, name, tags, source and dates; never a status
	stands standing
	barred SuppressionReason // with standsBarred
	bar    time.Time         // since when, if the file says
	ad     bool
}

// row reads a record by the layout. reason is Korean and says why the line is refused, "" when it is taken.
func (l layout) row(rec record, run Import) (row importRow, reason string) {
	row.line = rec.line
	cell := func(c column) string {
		for i, col := range l.columns {
			if col == c && i < len(rec.cells) && strings.TrimSpace(rec.cells[i]) != "" {
				return strings.TrimSpace(rec.cells[i])
			}
		}
		return ""
	}
	row.shown = cell(colEmail)
	if len(rec.cells) != l.width {
		return row, wrongWidth(l.width, len(rec.cells))
	}
	addr, err := ParseAddress(row.shown)
	if err != nil {
		return row, messageOf(err)
	}
	row.reader.Email = addr
	if row.reader.Name, err = l.name(cell); err != nil {
		return row, messageOf(err)
	}
	if row.reader.Tags, err = cleanTags(splitTags(cell(colTags))); err != nil {
		return row, messageOf(err)
	}
	if reason := row.readStanding(cell, run.As); reason != "" {
		return row, reason
	}
	row.readDates(cell, l)
	row.reader.Source = harmless(cell(colSource), 60)
	if row.reader.Source == "" {
		row.reader.Source = "import"
		if l.format != "plain" && l.format != "techissue" {
			row.reader.Source = l.format
		}
	}
	row.ad, _ = yes(cell(colAd))
	row.reader.NoTracking, _ = yes(cell(colNoTracking))
	return row, ""
}

func wrongWidth(want, got int) string {
	return "칸이 " + Thousands(int64(want)) + "개여야 하는데 " + Thousands(int64(got)) + "개예요."
}

// messageOf is what an Invalid error says to people.
func messageOf(err error) string {
	for _, e := range FaultsOf(err) {
		return e.Msg
	}
	return "읽을 수 없는 줄이에요."
}

// name is the name cell, or the first and last names in the order of their script. Blanks and line breaks in it
// become single blanks.
func (l layout) name(cell func(column) string) (string, error) {
	name := cell(colName)
	if first, last := cell(colFirstName), cell(colLastName); name == "" {
		name = strings.TrimSpace(first + " " + last)
		if strings.ContainsFunc(name, hangul) {
			name = last + first
		}
	}
	return CleanName(strings.Join(strings.Fields(name), " "))
}

// readStanding gathers every sign that the reader left or must not be written to; one is enough. What it does not
// understand refuses the line, for it may be such a sign.
func (r *importRow) readStanding(cell func(column) string, as ImportAs) (reason string) {
	status := cell(colStatus)
	if status != "" {
		st, known := statusWords[foldHeader(status)]
		if !known {
			return "모르는 구독 상태예요: " + harmless(status, 40)
		}
		r.stands = st
	}
	if r.stands == standsAsAsked {
		r.stands = map[ImportAs]standing{ImportPending: standsPending, ImportUnsubscribed: standsLeft, ImportSuppressed: standsBarred}[as]
	}
	left, known := yes(cell(colLeftFlag))
	if !known { // a date, most likely
		left, known = true, !parseDate(cell(colLeftFlag), kst).IsZero()
	}
	if !known {
		return "수신거부 칸을 읽을 수 없어요: " + harmless(cell(colLeftFlag), 40)
	}
	kept := true
	if v := cell(colKeptFlag); v != "" {
		if kept, known = yes(v); !known {
			return "수신동의 칸을 읽을 수 없어요: " + harmless(v, 40)
		}
	}
	gone := left || !kept || says(cell(colLeft)) || status == "" && says(cell(colLeftReason))
	if cell(colCleaned) != "" {
		r.stands, r.barred = standsBarred, SuppressedHard
	} else if gone && r.stands != standsBarred {
		r.stands = standsLeft
	}
	if r.stands == standsBarred && r.barred == "" {
		r.barred = barReason(cell(colSuppression), status)
	}
	return ""
}

// says tells a cell with content from the signs people put for none.
func says(cell string) bool { return cell != "" && cell != "-" && !strings.EqualFold(cell, "null") }

// barReason reads ours, or takes the status word for what it means.
func barReason(ours, status string) SuppressionReason {
	switch r := SuppressionReason(ours); r {
	case SuppressedHard, SuppressedSoft, SuppressedComplaint, SuppressedManual:
		return r
	}
	switch foldHeader(status) {
	case "cleaned", "bounced", "bounce", "undeliverable", "invalid", "자동삭제", "반송":
		return SuppressedHard
	case "complained", "complaint", "spam", "spammy":
		return SuppressedComplaint
	}
	return SuppressedManual
}

func (r *importRow) readDates(cell func(column) string, l layout) {
	date := func(c column) time.Time { return parseDate(cell(c), l.zone) }
	s := &r.reader
	s.ConsentAt, s.ConfirmedAt, s.CreatedAt = date(colJoined), date(colConfirmed), date(colCreated)
	if l.format == "techissue" { // a copy of our own: nothing is guessed
		s.UpdatedAt = date(colUpdated)
	} else {
		s.ConsentAt = firstOf(s.ConsentAt, s.ConfirmedAt, s.CreatedAt)
		s.CreatedAt = firstOf(s.CreatedAt, s.ConsentAt)
	}
	s.UnsubscribedAt = firstOf(date(colLeft), parseDate(cell(colLeftFlag), l.zone))
	if says(cell(colLeftReason)) {
		s.UnsubscribeReason = harmless(cell(colLeftReason), 200)
	}
	s.AdConsentAt = date(colAdAt)
	s.PausedUntil = date(colPausedUntil)
	r.bar = firstOf(date(colBounced), date(colCleaned))
}

// firstOf is the first time that is known.
func firstOf(times ...time.Time) time.Time {
	for _, t := range times {
		if !t.IsZero() {
			return t
		}
	}
	return time.Time{}
}
