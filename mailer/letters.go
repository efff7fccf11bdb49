package mailer

import (
	"context"
	"fmt"
	"maps"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"techissue/newsletter"
	"techissue/templates"
)

// Letters composes everything the queue sends. It may be used from several goroutines.
type Letters struct {
	Mails    *templates.Mails
	Keys     func() newsletter.Keyring
	House    func(context.Context) (newsletter.House, error)
	Snapshot func(context.Context, newsletter.IssueID) (newsletter.Issue, newsletter.Snapshot, error)
	Location *time.Location
	DKIM     *DKIM // nil: unsigned
	Now      func() time.Time

	// Readers of the map are many and never wait; it is copied when an edition is added.
	prepared  atomic.Pointer[map[editionKey]*Prepared]
	preparing sync.Mutex
}

var _ newsletter.Renderer = (*Letters)(nil)

// prepare renders an edition once; a house sends one or two at a time.
func (l *Letters) prepare(e newsletter.Edition, date time.Time) (*Prepared, error) {
	key := editionKey{e.Issue, e.Number}
	if p := l.known(key); p != nil {
		return p, nil
	}
	l.preparing.Lock()
	defer l.preparing.Unlock()
	if p := l.known(key); p != nil {
		return p, nil
	}
	p, err := Prepare(l.Mails, e.Snapshot, date.In(l.Location))
	if err != nil {
		return nil, err
	}
	next := map[editionKey]*Prepared{key: p}
	if old := l.prepared.Load(); old != nil && len(*old) < 4 {
		maps.Copy(next, *old)
	}
	l.prepared.Store(&next)
	return p, nil
}

func (l *Letters) known(key editionKey) *Prepared {
	if m := l.prepared.Load(); m != nil {
		return (*m)[key]
	}
	return nil
}

// buffers are letters that were sent: their bytes are used again. One that is never given back is the collector's.
var buffers = sync.Pool{New: func() any { return new([]byte) }}

// signatureRoom is what stands free before a letter for its signature: one of RSA with 4096 bits takes 1,100 bytes.
const signatureRoom = 2048

// Release gives the letter's bytes back to be written over. It may be called once, when nothing reads Data any more, or never.
func (l Letter) Release() {
	if l.buffer != nil {
		buffers.Put(l.buffer)
	}
}

// ComposeDelivery writes one reader's letter of an edition. All that could differ between two attempts is derived from the
// delivery and the edition.
func (l *Letters) ComposeDelivery(_ context.Context, c newsletter.Claimed, e newsletter.Edition) (Letter, error) {
	p, err := l.prepare(e, c.PreparedAt)
	if err != nil {
		return Letter{}, err
	}
	keys, house, keyID := l.Keys(), &p.snap.House, p.snap.KeyID
	sign := func(purpose newsletter.Purpose, id int64) string {
		return keys.SignWith(keyID, purpose, id, time.Time{})
	}
	leave := sign(newsletter.PurposeUnsubscribe, int64(c.Subscriber))
	r := Reader{
		Email: c.Email, Name: c.Name,
		Unsubscribe: house.BaseURL + "/u/" + leave,
		Preferences: house.BaseURL + "/me/" + sign(newsletter.PurposePreferences, int64(c.Subscriber)),
		Opinion:     house.BaseURL + "/f/" + sign(newsletter.PurposeOpinion, c.ID),
		Consent:     l.consent(c.ConsentAt),
		MessageID:   keys.MessageID(int64(c.Issue), c.ID, keyID, house.ListID),
		Date:        c.PreparedAt.In(l.Location), BoundarySeed: deliverySeed(c.ID),
	}
	if house.MailLeave != "" {
		r.Mailto = newsletter.LeaveMailto(leave, house.MailLeave)
	}
	if p.counted != nil && !c.NoTracking {
		r.Click, r.Open = sign(newsletter.PurposeClick, c.ID), sign(newsletter.PurposeOpen, c.ID)
	}
	buffer := buffers.Get().(*[]byte)
	whole, encoded, err := p.appendLetter(append((*buffer)[:0], make([]byte, signatureRoom)...), r)
	if err != nil {
		return Letter{}, err
	}
	*buffer = whole
	data := whole[signatureRoom:]
	if l.DKIM != nil {
		signature, err := l.DKIM.signature(data, c.PreparedAt)
		if err != nil {
			return Letter{}, err
		}
		begin := signatureRoom - len(signature)
		if begin < 0 {
			return Letter{}, fmt.Errorf("sign: a signature of %d bytes", len(signature))
		}
		copy(whole[begin:], signature)
		data = whole[begin:]
	}
	from := house.From
	if house.Bounce != "" {
		from = keys.BounceAddress(c.ID, house.Bounce)
	}
	return Letter{From: from, To: c.Email, Data: data, encoded: encoded, buffer: buffer}, nil
}

func (l *Letters) consent(at time.Time) string {
	if at.IsZero() {
		return "뉴스레터 수신에 동의하신 분께"
	}
	return newsletter.DateLong(at, l.Location) + " 뉴스레터 수신에 동의하신 분께"
}

func (l *Letters) sign(data []byte, date time.Time) ([]byte, error) {
	if l.DKIM == nil {
		return data, nil
	}
	return l.DKIM.Sign(data, date)
}

// RenderIssue shows a snapshot as the page of the letter and the preview do: opt-out links lead to the pages that ask for a link.
func (l *Letters) RenderIssue(s newsletter.Snapshot, name string) (htmlPart, text string, err error) {
	p, err := Prepare(l.Mails, s, l.Now().In(l.Location))
	if err != nil {
		return "", "", err
	}
	htmlPart, text = p.Parts(l.stranger(s, name))
	return htmlPart, text, nil
}

// stranger is a reader with no links of their own.
func (l *Letters) stranger(s newsletter.Snapshot, name string) Reader {
	base := s.House.BaseURL
	return Reader{
		Name: name, Unsubscribe: base + "/me", Preferences: base + "/me", Opinion: fmt.Sprintf("%s/issues/%d", base, s.Number),
		Consent: l.consent(time.Time{}),
	}
}

// ComposeNotice writes a single letter.
func (l *Letters) ComposeNotice(ctx context.Context, n newsletter.Notice) (Letter, error) {
	if n.Kind == newsletter.NoticeTest {
		return l.composeTest(ctx, n)
	}
	house, err := l.House(ctx)
	if err != nil {
		return Letter{}, fmt.Errorf("compose notice %d: %w", n.ID, err)
	}
	view := l.noticeView(n, house)
	view.SiteName, view.HomeURL, view.LegalLine, view.Accent = house.SiteName, house.BaseURL+"/", house.Legal.Line(), house.Accent
	htmlPart, text, err := l.Mails.Notice(view)
	if err != nil {
		return Letter{}, err
	}
	from, err := mailbox(house.FromName, house.From)
	if err != nil {
		return Letter{}, err
	}
	to, err := mailbox(n.Payload.Name, n.Email)
	if err != nil {
		return Letter{}, err
	}
	subject, err := encoded("Subject", view.Subject)
	if err != nil {
		return Letter{}, err
	}
	m := message{
		headers: []header{
			{"From", from}, {"To", to}, {"Subject", subject}, {"Date", mailDate(n.CreatedAt.In(l.Location))},
			{"Message-ID", l.Keys().MessageID(0, -int64(n.ID), "", house.ListID)},
			{"Auto-Submitted", "auto-generated"}, // RFC 3834: nothing answers it by itself
		},
		boundary: boundary(fmt.Sprintf("n%d", n.ID)), text: []byte(text), html: []byte(htmlPart),
	}
	data, err := l.sign(m.bytes(), n.CreatedAt)
	if err != nil {
		return Letter{}, err
	}
	return Letter{From: l.noticeSender(n, house), To: n.Email, Data: data}, nil
}

func (l *Letters) noticeSender(n newsletter.Notice, house newsletter.House) string {
	if house.Bounce != "" {
		return l.Keys().NoticeBounceAddress(int64(n.ID), house.Bounce)
	}
	return house.From
}

// composeTest writes an issue's letter to somebody at the desk; its links work but belong to nobody.
func (l *Letters) composeTest(ctx context.Context, n newsletter.Notice) (Letter, error) {
	issue, snap, err := l.Snapshot(ctx, n.Payload.Issue)
	if err != nil {
		return Letter{}, fmt.Errorf("compose test letter %d: %w", n.ID, err)
	}
	p, err := Prepare(l.Mails, snap, n.CreatedAt.In(l.Location))
	if err != nil {
		return Letter{}, err
	}
	r := l.stranger(snap, n.Payload.Name)
	r.Email, r.SubjectPrefix, r.WithoutOptOut = n.Email, "[테스트] ", true
	r.MessageID, r.Date = l.Keys().MessageID(int64(issue.ID), -int64(n.ID), "", snap.House.ListID), n.CreatedAt.In(l.Location)
	r.BoundarySeed = fmt.Sprintf("n%d", n.ID)
	data, err := p.Letter(r)
	if err != nil {
		return Letter{}, err
	}
	if data, err = l.sign(data, n.CreatedAt); err != nil {
		return Letter{}, err
	}
	return Letter{From: l.noticeSender(n, snap.House), To: n.Email, Data: data}, nil
}

// noticeView is what each kind of single letter says.
func (l *Letters) noticeView(n newsletter.Notice, h newsletter.House) templates.NoticeLetter {
	keys, p := l.Keys(), n.Payload
	link := func(path string, purpose newsletter.Purpose) string {
		return h.BaseURL + path + keys.Sign(purpose, p.Grant, p.Expires)
	}
	hello := newsletter.Honorific(p.Name) + ", 안녕하세요."
	day := newsletter.DateLong(p.At, l.Location)
	switch n.Kind {
	case newsletter.NoticeConfirm:
		v := templates.NoticeLetter{
			Subject: h.SiteName + " 구독을 확인해 주세요", Heading: "구독을 확인해 주세요",
			Paragraphs: []string{hello, h.SiteName + " 구독 신청을 받았어요. 아래 단추를 누르면 구독이 시작돼요."},
			Button:     "구독 확인하기", ButtonURL: link("/confirm/", newsletter.PurposeConfirm),
			After: []string{"링크는 7일 동안 쓸 수 있어요. 신청한 적이 없다면 이 메일을 무시해 주세요. 아무 일도 일어나지 않아요."},
		}
		if p.Again {
			v.Paragraphs = append(v.Paragraphs, "예전에 이 주소에서 저희 메일을 스팸으로 신고한 적이 있어요. 정말 다시 받고 싶을 때만 눌러 주세요.")
		}
		return v
	case newsletter.NoticeAlready:
		return templates.NoticeLetter{
			Subject: "이미 " + h.SiteName + " 구독 중이에요", Heading: "이미 구독 중이에요",
			Paragraphs: []string{hello, "이 주소로 구독 신청이 다시 들어왔어요. 이미 구독 중이라 따로 하실 일은 없어요.", "편지가 보이지 않으면 스팸함을 살펴봐 주세요."},
			Button:     "내 구독 보기", ButtonURL: link("/me/", newsletter.PurposeManage),
			After: []string{"링크는 30분 동안 한 번 쓸 수 있어요."},
		}
	case newsletter.NoticeWelcome:
		// The button comes first, the notice that the law asks for (정보통신망법 §50⑦) below it.
		notice := []string{h.SiteName + "에서 알려 드립니다. " + day + "에 뉴스레터 수신에 동의하셨고, 그대로 처리했습니다."}
		if p.AdAlso {
			notice = append(notice, day+"에 광고성 정보 수신에도 동의하셨습니다.")
		}
		return templates.NoticeLetter{
			Subject: h.SiteName + " 구독이 시작됐어요", Heading: "반가워요!",
			Paragraphs: []string{hello, "구독이 시작됐어요. 다음 호부터 이 주소로 보내 드릴게요. 기다리는 동안 지난 호를 읽어 보세요."},
			Button:     "지난 호 읽기", ButtonURL: h.BaseURL + "/issues",
			After:    append(notice, "동의는 모든 편지 아래의 수신거부로 언제든지 거둘 수 있습니다."),
			LeaveURL: h.BaseURL + "/u/" + keys.Sign(newsletter.PurposeUnsubscribe, int64(n.Subscriber), time.Time{}),
		}
	case newsletter.NoticeRefusal:
		return templates.NoticeLetter{
			Subject: h.SiteName + " 수신거부 처리 결과", Heading: "수신거부를 처리했습니다",
			Paragraphs: []string{
				h.SiteName + "에서 알려 드립니다. " + day + "에 뉴스레터 수신을 거부하셨고, 그대로 처리했습니다.",
				"앞으로 뉴스레터를 보내지 않습니다. 이 메일은 처리 결과를 알리는 마지막 메일입니다.",
			},
		}
	case newsletter.NoticeManage:
		return templates.NoticeLetter{
			Subject: h.SiteName + " 내 구독 링크", Heading: "내 구독",
			Paragraphs: []string{hello, "요청하신 링크예요. 이름과 주소를 바꾸고, 내 데이터를 내려받거나 지울 수 있어요."},
			Button:     "내 구독 열기", ButtonURL: link("/me/", newsletter.PurposeManage),
			After: []string{"링크는 30분 동안 한 번 쓸 수 있어요. 요청한 적이 없다면 이 메일을 무시해 주세요."},
		}
	case newsletter.NoticeComment:
		return templates.NoticeLetter{
			Subject: h.SiteName + "에 남긴 댓글을 확인해 주세요", Heading: "댓글을 확인해 주세요",
			// Without its text: anybody can type anybody's address.
			Paragraphs: []string{hello, "이 주소로 댓글을 남기셨어요. 아래 단추를 누르면 보내기가 끝나요."},
			Button:     "댓글 확인하기", ButtonURL: link("/c/", newsletter.PurposeComment),
			After: []string{"이 링크로 나중에 댓글을 고치거나 지울 수 있어요. 남긴 적이 없다면 이 메일을 무시해 주세요. 댓글은 올라가지 않고 7일 뒤에 지워져요."},
		}
	case newsletter.NoticeReply:
		return templates.NoticeLetter{
			Subject: h.SiteName + "에 남긴 댓글에 답글이 달렸어요", Heading: "답글이 달렸어요",
			Paragraphs: append([]string{hello, newsletter.Honorific(p.Subject) + "의 답글이에요."}, quoted(p.Text)...),
			Button:     "답글 보러 가기", ButtonURL: link("/c/", newsletter.PurposeComment),
			After: []string{"같은 링크에서 답글 알림을 끌 수 있어요."},
		}
	case newsletter.NoticeAddress:
		return templates.NoticeLetter{
			Subject: h.SiteName + " 새 주소를 확인해 주세요", Heading: "새 주소를 확인해 주세요",
			Paragraphs: []string{hello, "이 주소로 " + h.SiteName + " 편지를 받도록 바꾸시려면 눌러 주세요."},
			Button:     "새 주소로 받기", ButtonURL: link("/me/", newsletter.PurposeManage),
			After: []string{"링크는 24시간 동안 쓸 수 있어요."},
		}
	}
	return templates.NoticeLetter{
		Subject: strings.TrimSpace(h.SiteName + " " + p.Subject), Heading: p.Subject, Paragraphs: strings.Split(p.Text, "\n"),
		Button: "열어 보기", ButtonURL: p.Link,
	}
}

// quoted is what a stranger wrote, cut short: enough to know it again, too little to carry advertising far.
func quoted(text string) []string {
	const most = 200
	if r := []rune(text); len(r) > most {
		text = string(r[:most]) + "…"
	}
	return strings.Split("“"+text+"”", "\n")
}
