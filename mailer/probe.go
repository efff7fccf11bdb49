package mailer

import (
	"html"
	"net/mail"
	"time"

	"techissue/newsletter"
)

// Probe writes the letter by which an operator finds out whether letters arrive. It is signed like every other one.
func Probe(from mail.Address, to newsletter.Address, listID, envelope string, dkim *DKIM, at time.Time) (Letter, error) {
	sender, err := mailbox(from.Name, from.Address)
	if err != nil {
		return Letter{}, err
	}
	receiver, err := mailbox("", to.String())
	if err != nil {
		return Letter{}, err
	}
	subject, err := encoded("Subject", "테크잇슈 발송 점검")
	if err != nil {
		return Letter{}, err
	}
	const text = "이 편지가 보이면 발송이 되고 있어요.\n\n스팸함에 있었다면 techissue doctor가 알려 주는 SPF, DKIM, DMARC를 확인해 주세요.\n"
	random := newsletter.Random(12)
	m := message{
		headers: []header{
			{"From", sender}, {"To", receiver}, {"Subject", subject}, {"Date", mailDate(at)}, {"Message-ID", "<probe." + random + "@" + listID + ">"},
			{"Auto-Submitted", "auto-generated"}, // RFC 3834: nothing answers it by itself
		},
		boundary: boundary("probe" + random), text: []byte(text), html: []byte("<p>" + html.EscapeString(text) + "</p>"),
	}
	data := m.bytes()
	if dkim != nil {
		if data, err = dkim.Sign(data, at); err != nil {
			return Letter{}, err
		}
	}
	return Letter{From: envelope, To: to.String(), Data: data}, nil
}
