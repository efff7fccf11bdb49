package newsletter

import (
	"context"
	"encoding/json"
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"time"
)

const (
	confirmLife   = 7 * 24 * time.Hour
	manageLife    = 30 * time.Minute
	mailGap       = 15 * time.Minute // between two letters that a stranger can cause at one address
	mailsADay     = 3
	signupsAnHour = 100 // from one IPv4 address or one IPv6 /64
	untimedAnHour = 50  // of those, by forms that cannot tell how long they were filled in: embedded ones and JSON

	// Letters that strangers can cause at all addresses of one domain, an hour: a company whose boxes are flooded from
	// many networks is a victim, too. Of the big services' readers many may come at once, after a mention in the news, say.
	mailsToDomain  = 100
	mailsToService = 3000
)

// Signup is a wish to read, as it came in.
type Signup struct {
	Email, Name               string
	Consent, AdConsent, Age14 bool
	IP                        string
	Form                      string // FormSite, FormEmbed or FormJSON
	Source                    string
}

// Where a sign-up came from. Only the site's own form carries a signed moment, by which too quick a robot is known.
const (
	FormSite  = "site"
	FormEmbed = "embed"
	FormJSON  = "json"
)

// signupWish travels in the confirmation's grant: what takes effect when the mailed link is used.
type signupWish struct {
	Name string `json:"name,omitempty"`
	Ad   bool   `json:"ad,omitempty"`
	Form string `json:"form,omitempty"`
}

// Subscribe records a wish to read and queues the letter that proves it. New, waiting, active, suppressed and blocked
// addresses get the same answer after the same work (S11): each costs the same writes, so that neither words nor
// time tell a stranger anything; only the letter differs.
// Errors: Faults (email, name, consent, age14), TooMany for a network that asks too often.
func (s *Service) Subscribe(ctx context.Context, in Signup) error {
	addr, name, err := in.judge()
	if err != nil {
		return err
	}
	if err := s.limitIP(ctx, "signup", in.IP, in.most()); err != nil {
		return err
	}
	now := s.opt.Now()
	err = s.update(ctx, func(tx Tx) error {
		if err := awake(ctx, tx); err != nil {
			return err
		}
		event := "asked"
		sub, err := tx.SubscriberByKey(ctx, s.keyOf(addr))
		known, err := found(err)
		if err != nil {
			return err
		}
		if !known {
			event = "subscribed"
			sub = Subscriber{Email: addr, AddrKey: s.keyOf(addr), Name: name, Status: Pending, Source: in.Source, CreatedAt: now, UpdatedAt: now}
		}
		if err := tx.PutSubscriber(ctx, &sub); err != nil { // one who is known is written as they are
			return err
		}
		if err := tx.AddEvent(ctx, Event{Subscriber: sub.ID, Kind: event, Detail: in.Form, At: now}); err != nil {
			return err
		}
		return s.answerSignup(ctx, tx, sub, in, signupWish{Name: name, Ad: in.AdConsent, Form: in.Form}, now)
	})
	if err != nil {
		return fmt.Errorf("subscribe: %w", err)
	}
	s.opt.Wake()
	return nil
}

// Check tells what is wrong with a sign-up before anything is done: Faults as of Subscribe.
func (in Signup) Check() error {
	_, _, err := in.judge()
	return err
}

// most is how many sign-ups of this sort one network may send within an hour.
func (in Signup) most() int {
	if in.Form == FormSite {
		return signupsAnHour
	}
	return untimedAnHour
}

func (in Signup) judge() (Address, string, error) {
	var faults Faults
	addr, err := ParseAddress(in.Email)
	if err != nil {
		faults = append(faults, FaultsOf(err)...)
	} else if addr.Role() {
		faults = append(faults, invalid("email", "여러 사람이 함께 쓰는 관리용 주소로는 구독할 수 없어요. 본인의 주소를 적어 주세요."))
	}
	name, err := CleanName(in.Name)
	if err != nil {
		faults = append(faults, FaultsOf(err)...)
	}
	if !in.Consent {
		faults = append(faults, invalid("consent", "개인정보 수집·이용에 동의해 주세요."))
	}
	if !in.Age14 {
		faults = append(faults, invalid("age14", "만 14세 이상인지 확인해 주세요."))
	}
	return addr, name, faults.Err()
}

// answerSignup keeps what was agreed to and queues the letter that fits what we know of the address; each is one letter
// under the same limit. An address blocked by hand gets nothing.
func (s *Service) answerSignup(ctx context.Context, tx Tx, sub Subscriber, in Signup, wish signupWish, now time.Time) error {
	for _, kind := range []ConsentKind{ConsentPrivacy, ConsentAge14} {
		err := tx.AddConsent(ctx, Consent{
			Subscriber: sub.ID, AddrKey: sub.AddrKey, Kind: kind, Granted: true, TextVersion: ConsentVersion, At: now, IP: in.IP, Form: in.Form,
		})
		if err != nil {
			return err
		}
	}
	if sub.Suppression == SuppressedComplaint {
		text := fmt.Sprintf("스팸으로 신고했던 구독자 %d번이 다시 구독을 신청했어요. 확인 메일의 버튼을 누르면 다시 보내요.", sub.ID)
		kind := fmt.Sprintf("complaint_returns_%d", sub.ID) // one alert a reader: the next one's must not go under
		if err := tx.PutAlert(ctx, &Alert{Kind: kind, Text: text, At: now}); err != nil {
			return err
		}
	}
	if sub.Status == Active && sub.Suppression == "" {
		return s.mailManageLink(ctx, tx, NoticeAlready, sub, sub.AddrKey, now)
	}
	return s.confirmationFor(ctx, tx, sub, wish, now)
}

// queueConfirmation mails the link that proves the address, unless the address had its share of letters.
// again marks a confirmation after a complaint, which says so.
func (s *Service) queueConfirmation(ctx context.Context, tx Tx, sub *Subscriber, now time.Time, again bool) error {
	if again {
		sub.Suppression = SuppressedComplaint
	}
	return s.confirmationFor(ctx, tx, *sub, signupWish{Name: sub.Name, Ad: sub.AdConsent}, now)
}

func (s *Service) confirmationFor(ctx context.Context, tx Tx, sub Subscriber, wish signupWish, now time.Time) error {
	detail, err := json.Marshal(wish)
	if err != nil {
		return err
	}
	g := Grant{Kind: GrantConfirm, Subscriber: sub.ID, Detail: string(detail), CreatedAt: now, ExpiresAt: now.Add(confirmLife)}
	return s.mailGrant(ctx, tx, g, Notice{
		Kind: NoticeConfirm, Subscriber: sub.ID, Email: sub.Email.String(),
		Payload: NoticePayload{Name: sub.Name, Again: sub.Suppression == SuppressedComplaint},
	}, sub.Suppression, sub.AddrKey)
}

// mailManageLink queues a letter that carries a fresh link to the reader's own page, within the limit of that key.
func (s *Service) mailManageLink(ctx context.Context, tx Tx, kind NoticeKind, sub Subscriber, key AddressKey, now time.Time) error {
	g := Grant{Kind: GrantManage, Subscriber: sub.ID, CreatedAt: now, ExpiresAt: now.Add(manageLife)}
	return s.mailGrant(ctx, tx, g, Notice{
		Kind: kind, Subscriber: sub.ID, Email: sub.Email.String(), Payload: NoticePayload{Name: sub.Name, At: sub.ConsentAt},
	}, sub.Suppression, key)
}

// mailGrant queues a letter with the link that a grant stands for. A letter that may not go, since the address is blocked,
// had its share, or is nobody's we know (and then is not kept), is written down as skipped: the same work, so that the time tells nothing (S11). The
// grant of such a letter opens nothing, because nobody was given its token.
func (s *Service) mailGrant(ctx context.Context, tx Tx, g Grant, n Notice, suppressed SuppressionReason, key AddressKey) error {
	ok, err := s.mayMail(ctx, tx, key, g.CreatedAt)
	if err != nil {
		return err
	}
	switch {
	case n.Subscriber == 0:
		n.Reason = ReasonUnknown
	case suppressed == SuppressedManual, suppressed != "" && n.Kind == NoticeManage:
		n.Reason = ReasonSuppressed
	case !ok:
		n.Reason = ReasonLimit
	}
	full, err := s.domainFull(ctx, tx, n, g.CreatedAt)
	if err != nil {
		return err
	}
	if full {
		n.Reason = ReasonLimit
	}
	n.State, n.DueAt, n.CreatedAt = Queued, g.CreatedAt, g.CreatedAt
	if n.Reason != "" {
		n.State = Skipped
	}
	if err := tx.PutGrant(ctx, &g); err != nil {
		return err
	}
	n.Payload.Grant, n.Payload.Expires = g.ID, g.ExpiresAt
	return tx.QueueNotice(ctx, &n)
}

// mayMail keeps the letters that anybody can cause at an address to one in 15 minutes and three in any 24
// hours (S38).
func (s *Service) mayMail(ctx context.Context, tx Tx, key AddressKey, now time.Time) (bool, error) {
	wait, err := takeSlot(ctx, tx, "mail", string(key), mailsADay, 24*time.Hour, mailGap, now)
	if err == nil && wait > 0 { // counted as well: a refusal must not be quicker (S11)
		_, err = tx.Take(ctx, "mail.refused:"+string(key), 24*time.Hour, now)
		return false, err
	}
	return err == nil, err
}

// domainFull tells whether the domain of a letter had its share of this hour, and says so to the editor once. A letter that does not go anyway
// takes nothing of the share, or one address asked for again and again would shut out its neighbours; it costs the same work (S11).
func (s *Service) domainFull(ctx context.Context, tx Tx, n Notice, now time.Time) (bool, error) {
	_, domain, _ := strings.Cut(n.Email, "@")
	most, counter := mailsToDomain, "mail.domain:"
	if slices.Contains(mailServices, domain) {
		most = mailsToService
	}
	if n.Reason != "" {
		counter = "mail.domain.refused:"
	}
	taken, err := tx.Take(ctx, counter+domain, time.Hour, now)
	if err != nil || n.Reason != "" || taken <= most {
		return false, err
	}
	if taken > most+1 {
		return true, nil
	}
	text := fmt.Sprintf("%s 주소를 적은 신청이 몰려서 이 도메인에는 한 시간에 %d통까지만 보내요. 누가 남의 주소를 적고 있을 수 있어요.", domain, most)
	return true, tx.PutAlert(ctx, &Alert{Kind: "signups_of_" + domain, Text: text, At: now})
}

// takeSlot allows n uses of a thing in any span of time, each at least gap after the last one; a refusal takes none. The
// slots are used in turn, so the oldest tells when the nth last use was. It returns how long to wait, 0 when the use was taken.
func takeSlot(ctx context.Context, tx Tx, what, who string, n int, span, gap time.Duration, now time.Time) (time.Duration, error) {
	oldest, slot := now.Add(time.Hour), ""
	var wait time.Duration
	for i := range n {
		name := fmt.Sprintf("%s.%d:%s", what, i, who)
		last, err := tx.LastTaken(ctx, name)
		if err != nil {
			return 0, err
		}
		if !last.IsZero() {
			wait = max(wait, gap-now.Sub(last))
		}
		if last.Before(oldest) {
			oldest, slot = last, name
		}
	}
	if !oldest.IsZero() {
		wait = max(wait, span-now.Sub(oldest))
	}
	if wait > 0 {
		return wait, nil
	}
	_, err := tx.Take(ctx, slot, span, now)
	return 0, err
}

// limitIP counts one request of a network in a transaction of its own, so that a refusal does not take its own count
// back with it. most is how many there may be within an hour.
func (s *Service) limitIP(ctx context.Context, what, ip string, most int) error {
	now := s.opt.Now()
	var n int
	err := s.update(ctx, func(tx Tx) (err error) {
		n, err = tx.Take(ctx, what+".ip:"+network(ip), time.Hour, now)
		return err
	})
	if err != nil {
		return fmt.Errorf("count requests: %w", err)
	}
	if n > most {
		end := now.Truncate(time.Hour).Add(time.Hour)
		return &Error{Kind: TooMany, Msg: "요청이 너무 많아요. 조금 뒤에 다시 해 주세요.", After: end.Sub(now)}
	}
	return nil
}

// network is what counts as one: an IPv4 address, or the /64 that one IPv6 line has.
func network(ip string) string {
	if a, err := netip.ParseAddr(ip); err == nil && a.Is6() && !a.Is4In6() {
		if p, err := a.Prefix(64); err == nil {
			return p.String()
		}
	}
	return ip
}

// ConfirmView is what the page behind the mailed link shows before the button is pressed.
type ConfirmView struct {
	Masked string
}

// ConfirmView looks at a confirmation link and changes nothing: link scanners open it too.
// Errors: NotFound for a forged token, Gone (code expired, used or removed).
func (s *Service) ConfirmView(ctx context.Context, token string) (ConfirmView, error) {
	return get(ctx, s, func(tx Tx) (ConfirmView, error) {
		_, sub, err := s.openGrant(ctx, tx, PurposeConfirm, GrantConfirm, token)
		return ConfirmView{Masked: sub.Email.Masked()}, err
	})
}

// openGrant finds the unused grant of a mailed link and its reader.
func (s *Service) openGrant(ctx context.Context, tx Tx, p Purpose, kind GrantKind, token string) (Grant, Subscriber, error) {
	now := s.opt.Now()
	id, err := s.opt.Keys().Verify(p, token, now)
	if err != nil {
		return Grant{}, Subscriber{}, err
	}
	g, err := tx.Grant(ctx, id)
	if KindOf(err) == NotFound {
		return Grant{}, Subscriber{}, errRemoved()
	}
	if err != nil {
		return Grant{}, Subscriber{}, err
	}
	if g.Kind != kind {
		return Grant{}, Subscriber{}, &Error{Kind: NotFound, Msg: "링크가 올바르지 않아요."}
	}
	if err := g.Usable(now); err != nil {
		return g, Subscriber{}, err
	}
	sub, err := tx.Subscriber(ctx, g.Subscriber)
	if err != nil {
		return g, Subscriber{}, err
	}
	if sub.Status == Unsubscribed && g.CreatedAt.Before(sub.UnsubscribedAt) {
		return g, sub, &Error{Kind: Gone, Code: "expired", Msg: "링크가 만료됐어요."} // asked for before they left
	}
	return g, sub, nil
}

// errRemoved answers a link of ours whose reader was erased, by themselves or after seven days without a confirmation.
func errRemoved() error {
	return &Error{Kind: Gone, Code: "removed", Msg: "신청 기록이 남아 있지 않아요. 다시 신청해 주세요."}
}

// Confirm makes the reader of a mailed link active: the second half of the double opt-in. It lifts a suppression, since
// the letter has just arrived and its reader asks for more. Errors as ConfirmView.
func (s *Service) Confirm(ctx context.Context, token, ip string) (Subscriber, error) {
	now := s.opt.Now()
	var sub Subscriber
	err := s.update(ctx, func(tx Tx) error {
		if err := awake(ctx, tx); err != nil {
			return err
		}
		g, reader, err := s.openGrant(ctx, tx, PurposeConfirm, GrantConfirm, token)
		if err != nil {
			return err
		}
		g.UsedAt = now
		if err := tx.PutGrant(ctx, &g); err != nil {
			return err
		}
		var wish signupWish
		if err := json.Unmarshal([]byte(g.Detail), &wish); err != nil {
			return fmt.Errorf("read the wish of grant %d: %w", g.ID, err)
		}
		sub = reader
		return s.activate(ctx, tx, &sub, wish, ip, now)
	})
	if err != nil {
		return Subscriber{}, fmt.Errorf("confirm: %w", err)
	}
	s.opt.Wake()
	return sub, nil
}

func (s *Service) activate(ctx context.Context, tx Tx, sub *Subscriber, wish signupWish, ip string, now time.Time) error {
	if err := s.welcomeBack(ctx, tx, sub, ip, now); err != nil {
		return err
	}
	sub.Status, sub.ConfirmedAt, sub.ConsentAt, sub.UpdatedAt = Active, now, now, now
	sub.UnsubscribedAt, sub.UnsubscribeReason, sub.PausedUntil = time.Time{}, "", time.Time{}
	if wish.Name != "" {
		sub.Name = wish.Name
	}
	consents := []Consent{{Kind: ConsentLetter, Granted: true}}
	if wish.Ad {
		sub.AdConsent, sub.AdConsentAt = true, now
		consents = append(consents, Consent{Kind: ConsentAd, Granted: true})
	}
	for _, c := range consents {
		c.Subscriber, c.AddrKey, c.TextVersion, c.At, c.IP, c.Form, c.Confirmed = sub.ID, sub.AddrKey, ConsentVersion, now, ip, wish.Form, "mail"
		if err := tx.AddConsent(ctx, c); err != nil {
			return err
		}
	}
	if err := tx.PutSubscriber(ctx, sub); err != nil {
		return err
	}
	if err := tx.AddEvent(ctx, Event{Subscriber: sub.ID, Kind: "confirmed", At: now}); err != nil {
		return err
	}
	if err := tx.Emit(ctx, "subscriber.confirmed", fmt.Sprintf(`{"id":%d}`, sub.ID), now); err != nil {
		return err
	}
	return tx.QueueNotice(ctx, &Notice{
		Kind: NoticeWelcome, Subscriber: sub.ID, Email: sub.Email.String(), State: Queued, DueAt: now, CreatedAt: now,
		Payload: NoticePayload{Name: sub.Name, At: now, AdAlso: sub.AdConsent},
	})
}

// welcomeBack lifts what stood against the address, with the evidence that a mailed link was used.
func (s *Service) welcomeBack(ctx context.Context, tx Tx, sub *Subscriber, ip string, now time.Time) error {
	if sub.Suppression == SuppressedManual {
		return &Error{Kind: NotFound, Msg: "링크가 올바르지 않아요."}
	}
	_, err := tx.LastLeaver(ctx, sub.AddrKey)
	left, err := found(err)
	if err != nil {
		return err
	}
	if sub.Suppression != "" {
		sup, err := tx.SuppressionByKey(ctx, sub.AddrKey)
		if err != nil {
			return err
		}
		if err := tx.DeleteSuppression(ctx, sup.ID); err != nil {
			return err
		}
		c := Consent{
			Subscriber: sub.ID, AddrKey: sub.AddrKey, Kind: ConsentUnsuppress, Granted: true, TextVersion: ConsentVersion,
			At: now, IP: ip, Form: string(sup.Reason), Confirmed: "mail",
		}
		if err := tx.AddConsent(ctx, c); err != nil {
			return err
		}
		if err := tx.AddEvent(ctx, Event{Subscriber: sub.ID, Kind: "lifted", Detail: string(sup.Reason), At: now}); err != nil {
			return err
		}
		sub.Suppression, left = "", true
	}
	if left {
		return s.leave(ctx, tx, sub.AddrKey, "returned", now)
	}
	return nil
}

// ResendConfirmation mails a new link to the reader of an expired one, within the limits. The answer tells nothing but that
// the sign-up itself is gone (Gone, code removed), and that only to whoever has its letter.
func (s *Service) ResendConfirmation(ctx context.Context, token, ip string) error {
	now := s.opt.Now()
	id, err := s.opt.Keys().Verify(PurposeConfirm, token, now)
	if err != nil && KindOf(err) != Gone { // expired ones are what this is for
		return err
	}
	if err := s.limitIP(ctx, "signup", ip, signupsAnHour); err != nil {
		return err
	}
	err = s.update(ctx, func(tx Tx) error {
		g, err := tx.Grant(ctx, id)
		if err != nil {
			return err
		}
		sub, err := tx.Subscriber(ctx, g.Subscriber)
		if err != nil {
			return err
		}
		if sub.Status == Active && sub.Suppression == "" || sub.Suppression == SuppressedManual {
			return nil
		}
		var wish signupWish
		if err := json.Unmarshal([]byte(g.Detail), &wish); err != nil {
			return err
		}
		return s.confirmationFor(ctx, tx, sub, wish, now)
	})
	if KindOf(err) == NotFound {
		return errRemoved()
	}
	s.opt.Wake()
	return err
}
