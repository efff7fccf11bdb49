package feedback

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/netip"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/emersion/go-imap/v2"
	"github.com/emersion/go-imap/v2/imapclient"

	"techissue/newsletter"
)

// Mailbox is the folder that is polled. Its String names no password.
type Mailbox struct {
	Host, Port string
	Security   string // imaps, imap (STARTTLS) or imap+insecure
	User       string
	Password   string
	Folder     string
	Move       string        // where reports go once they are taken; "" leaves them, marked as read
	Every      time.Duration // between two looks
}

func (m Mailbox) String() string {
	return m.Security + "://" + m.User + "@" + net.JoinHostPort(m.Host, m.Port) + "/" + m.Folder
}

// ParseMailbox reads imaps://user:password@host[:993][/folder][?move=folder&every=1m]; imap:// insists on STARTTLS, and
// imap+insecure:// is for this machine alone.
func ParseMailbox(s string) (Mailbox, error) {
	u, err := url.Parse(s)
	if err != nil {
		return Mailbox{}, errors.New("is no address of a mailbox") // the error of url.Parse quotes the password
	}
	m := Mailbox{Security: u.Scheme, Host: u.Hostname(), Port: u.Port(), Folder: strings.Trim(u.Path, "/"), Every: time.Minute}
	switch {
	case m.Security != "imaps" && m.Security != "imap" && m.Security != "imap+insecure":
		return m, errors.New("does not begin with imaps:// (or imap:// for STARTTLS)")
	case m.Host == "":
		return m, errors.New("names no host")
	case m.Security == "imap+insecure" && !loopback(m.Host):
		return m, errors.New("would send the password in the clear: imap+insecure:// is for this machine alone")
	case u.User == nil || u.User.Username() == "":
		return m, errors.New("names no user")
	}
	m.User = u.User.Username()
	m.Password, _ = u.User.Password()
	if m.Port == "" {
		m.Port = map[bool]string{true: "993", false: "143"}[m.Security == "imaps"]
	}
	if m.Folder == "" {
		m.Folder = "INBOX"
	}
	q := u.Query()
	m.Move = q.Get("move")
	if every := q.Get("every"); every != "" {
		if m.Every, err = time.ParseDuration(every); err != nil || m.Every < 10*time.Second || m.Every > 24*time.Hour {
			return m, errors.New("every= is not between 10s and 24h")
		}
	}
	for name := range q {
		if name != "move" && name != "every" {
			return m, fmt.Errorf("knows no %q", name)
		}
	}
	return m, nil
}

func loopback(host string) bool {
	a, err := netip.ParseAddr(host)
	return host == "localhost" || err == nil && a.IsLoopback()
}

// Bookmark remembers how far a mailbox was read, and that it cannot be read now.
type Bookmark interface {
	FeedbackMark(ctx context.Context, name string) (string, error)
	PutFeedbackMark(ctx context.Context, name, mark string) error
	// FeedbackTrouble tells the editor; "" takes it back. Telling the same again changes nothing.
	FeedbackTrouble(ctx context.Context, text string) error
}

// Poller reads the sender's mailbox, where bounces arrive that have no other way, and answers that ask to leave. It deletes
// nothing and leaves people's mail as it is: only reports are marked as read, or moved where the address says so.
type Poller struct {
	Mailbox  Mailbox
	Intake   Intake
	Bookmark Bookmark
	Now      func() time.Time
	Log      *slog.Logger
	Roots    *x509.CertPool // nil: the system's
}

// lookBack is how far the first look goes.
const lookBack = 14 * 24 * time.Hour

// Run polls until ctx ends. What fails is tried again, ever more rarely, up to a quarter of an hour.
func (p *Poller) Run(ctx context.Context) error {
	wait := time.NewTimer(0)
	defer wait.Stop()
	for failed := 0; ; {
		select {
		case <-ctx.Done():
			return nil
		case <-wait.C:
		}
		err := p.Poll(ctx)
		switch {
		case ctx.Err() != nil:
			return nil
		case err != nil:
			failed++
			p.Log.Error("feedback mailbox not read", "mailbox", p.Mailbox.Host, "err", err)
		default:
			failed = 0
		}
		p.tell(ctx, failed, err)
		wait.Reset(min(p.Mailbox.Every<<min(failed, 10), max(15*time.Minute, p.Mailbox.Every)))
	}
}

// tell warns the editor of a refused password at once, of anything else when it does not mend itself.
func (p *Poller) tell(ctx context.Context, failed int, err error) {
	text := ""
	var refused *loginError
	switch {
	case errors.As(err, &refused):
		text = "반송 메일함이 로그인을 받아 주지 않아요. TECHISSUE_FEEDBACK_IMAP_URL의 비밀번호를 확인해 주세요: " + newsletter.CleanReply(refused.Error())
	case failed >= 3:
		text = "반송 메일함을 읽지 못하고 있어요: " + newsletter.CleanReply(err.Error())
	case failed > 0:
		return
	}
	if err := p.Bookmark.FeedbackTrouble(ctx, text); err != nil {
		p.Log.Error("feedback mailbox: alert", "err", err)
	}
}

type loginError struct{ error }

// Poll looks once. What it took and could not mark, as when the process died between, it takes again, which changes nothing.
func (p *Poller) Poll(ctx context.Context) (err error) {
	c, err := p.connect(ctx)
	if err != nil {
		return err
	}
	stop := context.AfterFunc(ctx, func() { c.Close() })
	defer func() {
		stop()
		c.Close()
	}()
	if err := c.Login(p.Mailbox.User, p.Mailbox.Password).Wait(); err != nil {
		var refused *imap.Error
		if errors.As(err, &refused) {
			return &loginError{err}
		}
		return fmt.Errorf("log in: %w", err)
	}
	box, err := c.Select(p.Mailbox.Folder, nil).Wait()
	if err != nil {
		return fmt.Errorf("open the folder %s: %w", p.Mailbox.Folder, err)
	}
	name := "feedback " + p.Mailbox.String()
	mark, err := p.Bookmark.FeedbackMark(ctx, name)
	if err != nil {
		return err
	}
	uids, last, err := p.fresh(c, box, mark)
	if err != nil {
		return err
	}
	for _, uid := range uids {
		if err := p.one(ctx, c, box, uid); err != nil {
			return err
		}
		if err := p.Bookmark.PutFeedbackMark(ctx, name, markOf(box, uid)); err != nil {
			return err
		}
	}
	if next := markOf(box, last); next != mark {
		if err := p.Bookmark.PutFeedbackMark(ctx, name, next); err != nil {
			return err
		}
	}
	return c.Logout().Wait()
}

// markOf is how far was read. UIDs mean nothing under another UIDVALIDITY (RFC 9051 §2.3.1.1).
func markOf(box *imap.SelectData, uid imap.UID) string {
	return fmt.Sprintf("%d:%d", box.UIDValidity, uid)
}

func (p *Poller) connect(ctx context.Context) (*imapclient.Client, error) {
	dialer := &net.Dialer{Timeout: 30 * time.Second}
	conn, err := dialer.DialContext(ctx, "tcp", net.JoinHostPort(p.Mailbox.Host, p.Mailbox.Port))
	if err != nil {
		return nil, fmt.Errorf("connect: %w", err)
	}
	options := &imapclient.Options{TLSConfig: &tls.Config{ServerName: p.Mailbox.Host, RootCAs: p.Roots, MinVersion: tls.VersionTLS12}}
	switch p.Mailbox.Security {
	case "imap+insecure":
		return imapclient.New(conn, options), nil
	case "imap":
		c, err := imapclient.NewStartTLS(conn, options)
		if err != nil {
			conn.Close()
			return nil, fmt.Errorf("STARTTLS: %w", err)
		}
		return c, nil
	}
	secure := tls.Client(conn, options.TLSConfig)
	shake, cancel := context.WithTimeout(ctx, 30*time.Second)
	defer cancel()
	if err := secure.HandshakeContext(shake); err != nil {
		conn.Close()
		return nil, fmt.Errorf("TLS: %w", err)
	}
	return imapclient.New(secure, options), nil
}

// fresh lists the messages that were not read yet, oldest first, and the highest number in the folder.
func (p *Poller) fresh(c *imapclient.Client, box *imap.SelectData, mark string) (uids []imap.UID, last imap.UID, err error) {
	var validity uint32
	var seen imap.UID
	known, _ := fmt.Sscanf(mark, "%d:%d", &validity, &seen)
	ask := &imap.SearchCriteria{Since: p.Now().Add(-lookBack)}
	if known == 2 && validity == box.UIDValidity {
		last = seen
		ask = &imap.SearchCriteria{UID: []imap.UIDSet{{imap.UIDRange{Start: seen + 1, Stop: 0}}}}
	}
	if box.UIDNext > 0 {
		last = max(last, box.UIDNext-1)
	}
	if box.NumMessages == 0 {
		return nil, last, nil
	}
	found, err := c.UIDSearch(ask, nil).Wait()
	if err != nil {
		return nil, 0, fmt.Errorf("search: %w", err)
	}
	for _, uid := range found.AllUIDs() {
		// "9:*" finds the last message even when its number is smaller (RFC 9051 §6.4.4).
		if known == 2 && validity == box.UIDValidity && uid <= seen {
			continue
		}
		uids = append(uids, uid)
		last = max(last, uid)
	}
	slices.Sort(uids)
	return uids, last, nil
}

// one takes a message in and marks it when it was a report.
func (p *Poller) one(ctx context.Context, c *imapclient.Client, box *imap.SelectData, uid imap.UID) error {
	message, err := p.read(c, uid)
	if err != nil || message == nil {
		return err
	}
	results, err := p.Intake.Message(ctx, message, Envelope{}, "imap")
	if err != nil {
		return err
	}
	if !slices.ContainsFunc(results, isReport) {
		return nil
	}
	set := imap.UIDSetNum(uid)
	store := &imap.StoreFlags{Op: imap.StoreFlagsAdd, Silent: true, Flags: []imap.Flag{imap.FlagSeen}}
	if err := c.Store(set, store, nil).Close(); err != nil {
		p.Log.Warn("feedback mailbox: a report stays unread", "err", err)
	}
	// Without the extension the library would copy, delete and expunge, which takes along whatever else is marked as deleted.
	if p.Mailbox.Move == "" || p.Mailbox.Move == p.Mailbox.Folder || !c.Caps().Has(imap.CapMove) {
		return nil
	}
	if _, err := c.Move(set, p.Mailbox.Move).Wait(); err != nil {
		p.Log.Warn("feedback mailbox: a report was not moved", "folder", p.Mailbox.Move, "err", err)
	}
	return nil
}

// read fetches the beginning of a message without marking it as read; nil when it is gone meanwhile.
func (p *Poller) read(c *imapclient.Client, uid imap.UID) (message []byte, err error) {
	fetch := c.Fetch(imap.UIDSetNum(uid), &imap.FetchOptions{
		BodySection: []*imap.FetchItemBodySection{{Peek: true, Partial: &imap.SectionPartial{Offset: 0, Size: MaxRead}}},
	})
	defer fetch.Close()
	for m := fetch.Next(); m != nil; m = fetch.Next() {
		for item := m.Next(); item != nil; item = m.Next() {
			body, ok := item.(imapclient.FetchItemDataBodySection)
			if !ok || body.Literal == nil {
				continue
			}
			if message, err = ReadMessage(body.Literal); err != nil {
				return nil, fmt.Errorf("read message %d: %w", uid, err)
			}
		}
	}
	if err := fetch.Close(); err != nil {
		return nil, fmt.Errorf("fetch message %d: %w", uid, err)
	}
	return message, nil
}

// isReport tells that the message was a program's, about a letter of ours: nobody has to see it. The editor's own letter that did
// not arrive, or their own copy of an issue, stays unread.
func isReport(r newsletter.FeedbackResult) bool {
	ours := r.Outcome == newsletter.FeedbackTaken || r.Outcome == newsletter.FeedbackKnown || r.Outcome == newsletter.FeedbackGone
	return ours && r.Kind != newsletter.FeedbackAsk
}
