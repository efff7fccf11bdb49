package newsletter

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"sync"
	"time"
)

// Passwords keeps passwords as argon2id hashes in PHC form. Both methods cost memory and time on purpose and run
// one at a time.
type Passwords interface {
	Hash(password string) (string, error)
	// Check tells whether the password made the hash, and whether the hash is weaker than one made today.
	Check(password, hash string) (ok, rehash bool)
}

// setupLife is how long the links last that a terminal prints.
const setupLife = 30 * time.Minute

// seenEvery keeps a session or a key from writing to the database with each page.
const seenEvery = time.Minute

// sessionBytes of randomness make a session's token (OWASP ASVS 7.2.3 asks for 16).
const sessionBytes = 20

// signIns lets one person in at a time: failures are counted before the next attempt is judged, so that many
// attempts at once get no further than as many in a row.
type signIns struct {
	sync.Mutex
	dummy string // a hash that no password made, checked for accounts that do not exist
}

// HasAdmin tells whether anybody has a desk; until then the house can be set up.
func (s *Service) HasAdmin(ctx context.Context) (bool, error) {
	people, err := s.Admins(ctx)
	return len(people) > 0, err
}

// Admins lists the people with a desk.
func (s *Service) Admins(ctx context.Context) ([]Admin, error) {
	return get(ctx, s, func(tx Tx) ([]Admin, error) { return tx.Admins(ctx) })
}

// SetupToken makes the link that makes the first owner, good for 30 minutes. Conflict (code setup_closed): there is one.
func (s *Service) SetupToken(ctx context.Context) (string, error) {
	if done, err := s.HasAdmin(ctx); err != nil {
		return "", err
	} else if done {
		return "", errSetupClosed()
	}
	return s.opt.Keys().Sign(PurposeSetup, 0, s.opt.Now().Add(setupLife)), nil
}

func errSetupClosed() error {
	return &Error{Kind: Conflict, Code: "setup_closed", Msg: "이미 설정을 마쳤어요. 로그인해 주세요."}
}

// CompleteSetup makes the first owner. Errors: NotFound and Gone for the link, Conflict (setup_closed) once
// anybody has a desk, Faults of email and password.
func (s *Service) CompleteSetup(ctx context.Context, token, email, password, ip string) (Admin, error) {
	id, err := s.opt.Keys().Verify(PurposeSetup, token, s.opt.Now())
	if err != nil {
		return Admin{}, err
	}
	if id != 0 { // a token of Enter
		return Admin{}, badToken()
	}
	if done, err := s.HasAdmin(ctx); err != nil {
		return Admin{}, err
	} else if done {
		return Admin{}, errSetupClosed()
	}
	a, err := s.newAdmin(email, Owner, password)
	if err != nil {
		return Admin{}, err
	}
	err = s.update(ctx, func(tx Tx) error {
		a.ID = 0
		people, err := tx.Admins(ctx)
		if err != nil {
			return err
		}
		if len(people) > 0 { // somebody else was faster
			return errSetupClosed()
		}
		if err := tx.PutAdmin(ctx, &a); err != nil {
			return err
		}
		return s.auditFrom(ctx, tx, adminName(a.ID), "setup", adminName(a.ID), "", ip)
	})
	return a, err
}

// CreateAdmin makes a person with a desk and tells the owners. Errors: Faults of email, role and password;
// Conflict (code exists) when the address has a desk.
func (s *Service) CreateAdmin(ctx context.Context, actor, email string, role Role, password string) (Admin, error) {
	a, err := s.newAdmin(email, role, password)
	if err != nil {
		return Admin{}, err
	}
	err = s.update(ctx, func(tx Tx) error {
		a.ID = 0
		_, err := tx.AdminByEmail(ctx, a.Email)
		exists, err := found(err)
		if err != nil {
			return err
		}
		if exists {
			return &Error{Kind: Conflict, Field: "email", Code: "exists", Msg: "이미 등록된 이메일이에요."}
		}
		text := fmt.Sprintf("%s 님이 관리자(%s)로 등록됐어요.", a.Email, a.Role)
		if err := s.tellOwners(ctx, tx, "새 관리자가 등록됐어요", text); err != nil { // before, so that the first one gets no letter about himself
			return err
		}
		if err := tx.PutAdmin(ctx, &a); err != nil {
			return err
		}
		return s.audit(ctx, tx, actor, "admin_create", adminName(a.ID), string(a.Role))
	})
	if err != nil {
		return Admin{}, err
	}
	s.opt.Wake()
	return a, nil
}

func (s *Service) newAdmin(email string, role Role, password string) (Admin, error) {
	var faults Faults
	addr, err := ParseAddress(email)
	if err != nil {
		faults = append(faults, FaultsOf(err)...)
	}
	if role != Owner && role != Editor {
		faults = append(faults, invalid("role", "역할은 owner나 editor 가운데 하나예요."))
	}
	password, err = judgePassword(password, addr)
	if err != nil {
		faults = append(faults, FaultsOf(err)...)
	}
	if err := faults.Err(); err != nil {
		return Admin{}, err
	}
	hash, err := s.opt.Passwords.Hash(password)
	if err != nil {
		return Admin{}, fmt.Errorf("hash password: %w", err)
	}
	return Admin{Email: addr, Role: role, PasswordHash: hash, CreatedAt: s.opt.Now()}, nil
}

// tellOwners queues a letter to every owner about something that only an owner, or a thief, does.
func (s *Service) tellOwners(ctx context.Context, tx Tx, subject, text string) error {
	people, err := tx.Admins(ctx)
	if err != nil {
		return err
	}
	now := s.opt.Now()
	for _, a := range people {
		if a.Role != Owner {
			continue
		}
		n := Notice{
			Kind: NoticeAlert, Email: a.Email.String(), State: Queued, DueAt: now, CreatedAt: now,
			Payload: NoticePayload{Subject: subject, Text: text, At: now},
		}
		if err := tx.QueueNotice(ctx, &n); err != nil {
			return err
		}
	}
	return nil
}

// ResetPassword sets a new password, which ends every session of that person, and tells the owners.
func (s *Service) ResetPassword(ctx context.Context, actor, email, password string) error {
	addr, err := ParseAddress(email)
	if err != nil {
		return err
	}
	if password, err = judgePassword(password, addr); err != nil {
		return err
	}
	hash, err := s.opt.Passwords.Hash(password)
	if err != nil {
		return fmt.Errorf("hash password: %w", err)
	}
	err = s.update(ctx, func(tx Tx) error {
		a, err := s.adminByEmail(ctx, tx, addr)
		if err != nil {
			return err
		}
		a.PasswordHash = hash
		if err := tx.PutAdmin(ctx, &a); err != nil {
			return err
		}
		if err := tx.DeleteSessions(ctx, a.ID); err != nil {
			return err
		}
		text := fmt.Sprintf("%s 님의 비밀번호가 바뀌었고, 로그인된 기기에서 모두 로그아웃됐어요.", a.Email)
		if err := s.tellOwners(ctx, tx, "관리자 비밀번호가 바뀌었어요", text); err != nil {
			return err
		}
		return s.audit(ctx, tx, actor, "password_reset", adminName(a.ID), "")
	})
	if err != nil {
		return err
	}
	s.opt.Wake()
	return nil
}

func (s *Service) adminByEmail(ctx context.Context, tx Tx, addr Address) (Admin, error) {
	a, err := tx.AdminByEmail(ctx, addr)
	if KindOf(err) == NotFound {
		return Admin{}, &Error{Kind: NotFound, Field: "email", Msg: "그 이메일로 등록된 관리자가 없어요.", Err: err}
	}
	return a, err
}

// Authenticate returns whose session a cookie's value is. Unauthorized: none, or it lay idle for 12 hours or is
// 14 days old.
func (s *Service) Authenticate(ctx context.Context, sessionToken string) (Admin, Session, error) {
	var a Admin
	var session Session
	now := s.opt.Now()
	err := s.view(ctx, func(tx Tx) (err error) {
		if session, err = tx.Session(ctx, hashToken(sessionToken)); err != nil {
			return err
		}
		if !session.Valid(now) {
			return errSignIn()
		}
		a, err = tx.Admin(ctx, session.Admin)
		return err
	})
	if KindOf(err) == NotFound {
		err = errSignIn()
	}
	if err != nil {
		return Admin{}, Session{}, err
	}
	if now.Sub(session.SeenAt) >= seenEvery {
		session, err = s.touchSession(ctx, session.Hash, now)
	}
	return a, session, err
}

// touchSession reads the session again, lest one that was just ended comes back to life.
func (s *Service) touchSession(ctx context.Context, hash string, now time.Time) (Session, error) {
	var session Session
	err := s.update(ctx, func(tx Tx) (err error) {
		if session, err = tx.Session(ctx, hash); err != nil {
			return err
		}
		session.SeenAt = now
		return tx.PutSession(ctx, session)
	})
	if KindOf(err) == NotFound {
		return Session{}, errSignIn()
	}
	return session, err
}

func errSignIn() error {
	return &Error{Kind: Unauthorized, Msg: "로그인이 필요해요."}
}

// Logout ends one session; one that is over already is no error.
func (s *Service) Logout(ctx context.Context, sessionToken, actor string) error {
	return s.update(ctx, func(tx Tx) error {
		session, err := tx.Session(ctx, hashToken(sessionToken))
		if ok, err := found(err); err != nil || !ok {
			return err
		}
		if err := tx.DeleteSession(ctx, session.Hash); err != nil {
			return err
		}
		return s.audit(ctx, tx, actor, "logout", adminName(session.Admin), "")
	})
}

// RevokeSessions ends every session of one person, or of everybody when email is "".
func (s *Service) RevokeSessions(ctx context.Context, actor, email string) error {
	var addr Address
	if email != "" {
		var err error
		if addr, err = ParseAddress(email); err != nil {
			return err
		}
	}
	return s.update(ctx, func(tx Tx) error {
		if addr.IsZero() {
			if err := tx.DeleteSessions(ctx, 0); err != nil {
				return err
			}
			return s.audit(ctx, tx, actor, "sessions_revoke", "admins", "")
		}
		a, err := s.adminByEmail(ctx, tx, addr)
		if err != nil {
			return err
		}
		if err := tx.DeleteSessions(ctx, a.ID); err != nil {
			return err
		}
		return s.audit(ctx, tx, actor, "sessions_revoke", adminName(a.ID), "")
	})
}

// EnterToken makes the demo's one-button sign-in for the owner, good for 30 minutes. Only a demo may print it.
func (s *Service) EnterToken(ctx context.Context) (string, error) {
	people, err := s.Admins(ctx)
	if err != nil {
		return "", err
	}
	for _, a := range people {
		if a.Role == Owner {
			return s.opt.Keys().Sign(PurposeSetup, int64(a.ID), s.opt.Now().Add(setupLife)), nil
		}
	}
	return "", &Error{Kind: NotFound, Msg: "관리자가 아직 없어요."}
}

// Enter signs in the owner whom an EnterToken names. Errors: NotFound for any other token, Gone for an old one.
func (s *Service) Enter(ctx context.Context, token, ip, agent string) (string, Admin, error) {
	id, err := s.opt.Keys().Verify(PurposeSetup, token, s.opt.Now())
	if err != nil {
		return "", Admin{}, err
	}
	if id == 0 { // a token of SetupToken
		return "", Admin{}, badToken()
	}
	var plain string
	var a Admin
	err = s.update(ctx, func(tx Tx) (err error) {
		if a, err = tx.Admin(ctx, AdminID(id)); err != nil {
			return err
		}
		plain, err = s.openSession(ctx, tx, &a, "enter", ip, agent)
		return err
	})
	if err != nil {
		return "", Admin{}, err
	}
	return plain, a, nil
}

// openSession begins a session with a new token (never one that the browser brought along) and clears
// away the person's old ones.
func (s *Service) openSession(ctx context.Context, tx Tx, a *Admin, action, ip, agent string) (string, error) {
	now := s.opt.Now()
	old, err := tx.Sessions(ctx, a.ID)
	if err != nil {
		return "", err
	}
	for _, o := range old {
		if o.Valid(now) {
			continue
		}
		if err := tx.DeleteSession(ctx, o.Hash); err != nil {
			return "", err
		}
	}
	plain := Random(sessionBytes)
	session := Session{Hash: hashToken(plain), Admin: a.ID, CreatedAt: now, SeenAt: now, IP: ip, Agent: harmless(agent, 200)}
	if err := tx.PutSession(ctx, session); err != nil {
		return "", err
	}
	a.LastLoginAt = now
	if err := tx.PutAdmin(ctx, a); err != nil {
		return "", err
	}
	return plain, s.auditFrom(ctx, tx, adminName(a.ID), action, adminName(a.ID), harmless(agent, 200), ip)
}

// AuditLog lists what was done at the desk, newest first, and tells whether there is more.
func (s *Service) AuditLog(ctx context.Context, cursor int64, limit int) ([]AuditEntry, bool, error) {
	limit = pageLimit(limit)
	rows, err := get(ctx, s, func(tx Tx) ([]AuditEntry, error) { return tx.AuditLog(ctx, cursor, limit) })
	rows, more := page(rows, limit)
	return rows, more, err
}

// auditFrom is audit with the address of the network that it came from.
func (s *Service) auditFrom(ctx context.Context, tx Tx, actor, action, object, detail, ip string) error {
	return tx.Audit(ctx, AuditEntry{At: s.opt.Now(), Actor: actor, Action: action, Object: object, Detail: detail, IP: ip})
}

func adminName(id AdminID) string { return fmt.Sprintf("admin:%d", id) }

// hashToken is what is stored of a token that was drawn at random: it needs no salt and no slowness.
func hashToken(plain string) string {
	sum := sha256.Sum256([]byte(plain))
	return hex.EncodeToString(sum[:])
}

// hashDummy returns the hash to check when there is none, so that an unknown account costs the same time.
// The caller holds the lock.
func (s *Service) hashDummy() (string, error) {
	if s.signIn.dummy == "" {
		hash, err := s.opt.Passwords.Hash(Random(sessionBytes))
		if err != nil {
			return "", err
		}
		if hash == "" {
			return "", errors.New("an empty hash")
		}
		s.signIn.dummy = hash
	}
	return s.signIn.dummy, nil
}
