package newsletter

import (
	"regexp"
	"strconv"
	"strings"
	"time"
)

// LeaveMailto is the second way of List-Unsubscribe (RFC 2369): a message to it unsubscribes. The token is that of the link; it stands
// in the address where the house reads a whole domain, in the subject where it reads one mailbox.
func LeaveMailto(token, to string) string {
	if strings.Contains(to, "@") {
		return "mailto:" + to + "?subject=u%2B" + token
	}
	return "mailto:u+" + token + "@" + strings.ToLower(to) + "?subject=unsubscribe"
}

// leaveSubject is what a message to the mailbox says.
var leaveSubject = regexp.MustCompile(`(?i)^\s*u[+ ]([a-z0-9-]{30,64})\s*$`)

// LeaveToken finds the token in a subject that LeaveMailto made. Some programs read the plus sign as a blank.
func LeaveToken(subject string) (token string, ok bool) {
	if m := leaveSubject.FindStringSubmatch(subject); m != nil {
		return strings.ToLower(m[1]), true
	}
	return "", false
}

// VerifyMailto returns the reader whose List-Unsubscribe this address is, or NotFound.
func (k Keyring) VerifyMailto(addr string) (SubscriberID, error) {
	token, ok := cutToken("u+", addr)
	if !ok {
		return 0, badToken()
	}
	id, err := k.Verify(PurposeUnsubscribe, token, time.Time{})
	return SubscriberID(id), err
}

// TokenKind tells which of our tokens an address is shaped like: b (a delivery), n (a notice), u (unsubscribe), or "".
func TokenKind(addr string) string {
	for _, kind := range []string{"b", "n", "u"} {
		if _, ok := cutToken(kind+"+", addr); ok {
			return kind
		}
	}
	return ""
}

func cutToken(prefix, addr string) (string, bool) {
	addr = strings.ToLower(strings.TrimSuffix(strings.TrimPrefix(strings.TrimSpace(addr), "<"), ">"))
	local, _, at := strings.Cut(addr, "@")
	token, ours := strings.CutPrefix(local, prefix)
	return token, at && ours && token != ""
}

// IsMessageID tells whether a Message-ID is the one we gave a delivery of an issue (or, with a negative id, a notice), by
// any key that we know. It is as good as a token: nobody but the reader and the relays has seen it.
func (k Keyring) IsMessageID(messageID string, issueID, deliveryID int64) bool {
	issue, mac, ok := messageIDParts(messageID)
	if !ok || issue != issueID {
		return false
	}
	for _, key := range k.keys {
		if s := key.derive[PurposeMessage]; s != nil && s.sealed(strconv.FormatInt(deliveryID, 10), mac) {
			return true
		}
	}
	return false
}

// messageIDParts takes "<12.abc…@list>" apart.
func messageIDParts(messageID string) (issue int64, mac string, ok bool) {
	id := strings.ToLower(strings.Trim(strings.TrimSpace(messageID), "<>"))
	local, _, at := strings.Cut(id, "@")
	number, mac, dot := strings.Cut(local, ".")
	issue, err := strconv.ParseInt(number, 10, 64)
	return issue, mac, at && dot && err == nil && issue >= 0 && len(mac) == 20
}
