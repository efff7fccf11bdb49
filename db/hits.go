package db

import (
	"context"
	"time"

	"techissue/newsletter"
)

const trackLink = `
INSERT INTO tracked_links (issue_id, url) VALUES (?, ?)
ON CONFLICT (issue_id, url) DO UPDATE SET url = excluded.url RETURNING id`

// TrackLinks stores addresses of an issue, each once.
func (t *Tx) TrackLinks(ctx context.Context, id newsletter.IssueID, urls []string) ([]newsletter.TrackedLink, error) {
	out := make([]newsletter.TrackedLink, len(urls))
	for n, url := range urls {
		link, err := t.insert(ctx, trackLink, id, url)
		if err != nil {
			return nil, err
		}
		out[n] = newsletter.TrackedLink{ID: link, URL: url}
	}
	return out, nil
}

const trackedURL = `
SELECT CASE WHEN l.target <> '' THEN l.target ELSE l.url END FROM deliveries d JOIN tracked_links l ON l.issue_id = d.issue_id
WHERE d.id = ? AND l.id = ?`

// TrackedURL finds a link among those of the delivery's issue.
func (t *Tx) TrackedURL(ctx context.Context, id newsletter.DeliveryID, link int64) (url string, err error) {
	err = t.queryRow(ctx, trackedURL, id, link).Scan(&url)
	return url, missing(err, "없는 링크예요.")
}

// When the server took it, or for a letter in doubt, when it was handed over first.
const trackedDelivery = `
SELECT CASE WHEN d.state = 'sent' AND d.reason = '' THEN d.done_at ELSE d.first_at END, (SELECT COUNT(*) FROM tracked_links l WHERE l.issue_id = d.issue_id)
FROM deliveries d JOIN subscribers s ON s.id = d.subscriber_id
WHERE d.id = ? AND s.no_tracking = 0`

// PointLink makes a counted link of an issue lead elsewhere; "" makes it lead where it did.
func (t *Tx) PointLink(ctx context.Context, id newsletter.IssueID, link int64, target string) (url string, err error) {
	err = t.queryRow(ctx, `UPDATE tracked_links SET target = ? WHERE issue_id = ? AND id = ? RETURNING url`, target, id, link).Scan(&url)
	return url, missing(err, "없는 링크예요.")
}

// TrackedDelivery finds a letter whose reader may be counted.
func (t *Tx) TrackedDelivery(ctx context.Context, id newsletter.DeliveryID) (d newsletter.TrackedDelivery, err error) {
	err = t.queryRow(ctx, trackedDelivery, id).Scan(asTime(&d.SentAt), &d.Links)
	return d, missing(err, "없는 편지예요.")
}

// ClicksSince lists a letter's clicks.
func (t *Tx) ClicksSince(ctx context.Context, id newsletter.DeliveryID, since time.Time) ([]newsletter.Hit, error) {
	return list(ctx, t, func(r scanner) (newsletter.Hit, error) {
		h := newsletter.Hit{Delivery: id}
		return h, r.Scan(&h.Link, asTime(&h.At), asFlag(&h.Machine))
	}, `SELECT link_id, at, machine FROM hits WHERE delivery_id = ? AND kind = 'click' AND at >= ? ORDER BY id`, id, ms(since))
}

// MarkMachineClicks takes clicks back that turned out to be a scanner's.
func (t *Tx) MarkMachineClicks(ctx context.Context, id newsletter.DeliveryID, since time.Time) error {
	_, err := t.exec(ctx, `UPDATE hits SET machine = 1, why = CASE WHEN machine = 1 THEN why ELSE 'sweep' END WHERE delivery_id = ? AND kind = 'click' AND at >= ?`, id, ms(since))
	return err
}

// A token that is asked for over and over must not fill the disk: 200 hits of a letter say what there is to say.
const addHit = `
INSERT INTO hits (delivery_id, link_id, kind, machine, why, at)
SELECT CAST(? AS {{bigint}}), CAST(? AS {{bigint}}), CAST(? AS TEXT), CAST(? AS INTEGER), CAST(? AS TEXT), CAST(? AS {{bigint}})
WHERE (SELECT COUNT(*) FROM hits WHERE delivery_id = ?) < 200`

// Who clicks has opened, with pictures or without.
const firstHit = `
UPDATE deliveries SET opened_at = COALESCE(opened_at, ?), clicked_at = COALESCE(clicked_at, ?)
WHERE id = ? AND (opened_at IS NULL OR clicked_at IS NULL)`

// A letter that waits for its second try was uncertain before; a second copy is not wanted any more.
const settleByHit = `
UPDATE deliveries SET state = 'sent', reason = ?, done_at = ?
WHERE id = ? AND attempts > 0 AND (state = 'uncertain' OR (state = 'queued' AND resent = 1))`

// AddHit writes a hit and what it proves.
func (t *Tx) AddHit(ctx context.Context, h newsletter.Hit) error {
	kind, reason, link, clicked := "open", newsletter.ReasonOpened, any(nil), any(nil)
	if h.Link != 0 {
		kind, reason, link, clicked = "click", newsletter.ReasonClicked, h.Link, ms(h.At)
	}
	if _, err := t.exec(ctx, addHit, h.Delivery, link, kind, flag(h.Machine), h.Why, ms(h.At), h.Delivery); err != nil {
		return err
	}
	if _, err := t.exec(ctx, firstHit, ms(h.At), clicked, h.Delivery); err != nil {
		return err
	}
	n, err := t.exec(ctx, settleByHit, reason, ms(h.At), h.Delivery)
	if err != nil || n == 0 {
		return err
	}
	_, err = t.exec(ctx, addAttempt, h.Delivery, nil, 0, ms(h.At), "", 0, "", "the letter was "+reason, "", "sent")
	return err
}

const linkTallies = `
SELECT l.id, l.url, l.target, COUNT(DISTINCT h.delivery_id) + COALESCE(MAX(k.letters), 0), COUNT(DISTINCT CASE WHEN h.machine = 0 THEN h.delivery_id END) + COALESCE(MAX(k.people), 0)
FROM tracked_links l
LEFT JOIN kept_links k ON k.link_id = l.id
LEFT JOIN (
	SELECT h.delivery_id, h.link_id, h.machine FROM deliveries d JOIN hits h ON h.delivery_id = d.id
	WHERE d.issue_id = ? AND d.clicked_at IS NOT NULL AND h.kind = 'click') h ON h.link_id = l.id
WHERE l.issue_id = ?
GROUP BY l.id, l.url, l.target ORDER BY 5 DESC, 4 DESC, l.id`

// LinkTallies counts letters, not clicks: one reader who clicks ten times is one.
func (t *Tx) LinkTallies(ctx context.Context, id newsletter.IssueID) ([]newsletter.LinkTally, error) {
	return list(ctx, t, func(r scanner) (l newsletter.LinkTally, err error) {
		return l, r.Scan(&l.ID, &l.URL, &l.Target, &l.Clicks, &l.People)
	}, linkTallies, id, id)
}

const peopleTally = `
SELECT COUNT(DISTINCT h.delivery_id), COUNT(DISTINCT CASE WHEN h.kind = 'click' THEN h.delivery_id END)
FROM deliveries d JOIN hits h ON h.delivery_id = d.id
WHERE d.issue_id = ? AND d.opened_at IS NOT NULL AND h.machine = 0`

// peopleTally counts letters that no machine alone opened or clicked.
func (t *Tx) peopleTally(ctx context.Context, id newsletter.IssueID) (opened, clicked int64, err error) {
	return opened, clicked, t.queryRow(ctx, peopleTally, id).Scan(&opened, &clicked)
}
