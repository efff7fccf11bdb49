package newsletter

import (
	"context"
	"fmt"
	"net/netip"
	"time"
)

// brake slows guessing down: after so many failures within the hour, the next attempt has to wait. Nobody is
// locked out for good (OWASP ASVS 6.3.1), and the counts live in the database, so that a restart forgives nothing.
type brake struct {
	name  string
	steps []brakeStep // mildest first
}

type brakeStep struct {
	failures int
	wait     time.Duration
}

const brakeWindow = time.Hour

var (
	accountBrake = []brakeStep{{5, 10 * time.Second}, {10, time.Minute}, {20, 5 * time.Minute}}
	networkBrake = []brakeStep{{20, 10 * time.Second}, {50, time.Minute}, {100, 5 * time.Minute}}
	houseBrake   = []brakeStep{{300, 5 * time.Second}, {1000, time.Minute}}
)

// trustLife is how long a network from which the account signed in keeps a count of its own.
const trustLife = 30 * 24 * time.Hour

// loginBrakes are the brakes of one attempt. Failures from a network that the account has signed in from are counted
// apart from a stranger's: whoever tries passwords all day slows down himself, not the owner at home.
func (s *Service) loginBrakes(ctx context.Context, tx Tx, account, ip string, now time.Time) ([]brake, error) {
	network := networkOf(ip)
	last, err := tx.LastTaken(ctx, trustName(account, network))
	if err != nil {
		return nil, err
	}
	own := brake{"login.account:" + account, accountBrake}
	if !last.IsZero() && now.Sub(last) < trustLife {
		own.name += "@" + network
		return []brake{own}, nil
	}
	return []brake{own, {"login.ip:" + network, networkBrake}, {"login.all", houseBrake}}, nil
}

func trustName(account, network string) string { return "login.ok:" + account + "@" + network }

// wait tells how long the next attempt has to wait: zero when it may go on.
func (b brake) wait(ctx context.Context, tx Tx, now time.Time) (time.Duration, error) {
	var longest time.Duration
	for i, step := range b.steps {
		last, err := tx.LastTaken(ctx, b.step(i))
		if err != nil {
			return 0, err
		}
		if !last.IsZero() {
			longest = max(longest, step.wait-now.Sub(last))
		}
	}
	return longest, nil
}

// fail counts a failure; every step that is reached begins its wait anew.
func (b brake) fail(ctx context.Context, tx Tx, now time.Time) error {
	n, err := tx.Take(ctx, b.name, brakeWindow, now)
	if err != nil {
		return err
	}
	for i, step := range b.steps {
		if n < step.failures {
			break
		}
		if _, err := tx.Take(ctx, b.step(i), brakeWindow, now); err != nil {
			return err
		}
	}
	return nil
}

func (b brake) step(i int) string { return fmt.Sprintf("%s.%d", b.name, i) }

// Login opens a session and returns the value of its cookie. Errors: Unauthorized, without a hint whether the
// address or the password is wrong and after the same time; TooMany (code login_wait), which tells how long to wait.
func (s *Service) Login(ctx context.Context, email, password, ip, agent string) (string, Admin, error) {
	s.signIn.Lock()
	defer s.signIn.Unlock()

	addr, _ := ParseAddress(email) // the zero address has no desk
	account := string(s.keyOf(addr))
	now := s.opt.Now()
	dummy, err := s.hashDummy()
	if err != nil {
		return "", Admin{}, fmt.Errorf("sign in: %w", err)
	}
	a := Admin{PasswordHash: dummy}
	var brakes []brake
	err = s.view(ctx, func(tx Tx) (err error) {
		if brakes, err = s.loginBrakes(ctx, tx, account, ip, now); err != nil {
			return err
		}
		for _, b := range brakes {
			wait, err := b.wait(ctx, tx, now)
			if err != nil {
				return err
			}
			if wait > 0 {
				return errLoginWait(wait)
			}
		}
		known, err := tx.AdminByEmail(ctx, addr)
		if ok, err := found(err); err != nil || !ok {
			return err
		}
		if known.PasswordHash != "" {
			a = known
		}
		return nil
	})
	if err != nil {
		return "", Admin{}, err
	}

	clean := normalPassword(password)
	ok, rehash := s.opt.Passwords.Check(clean, a.PasswordHash)
	if !ok || a.ID == 0 {
		return "", Admin{}, s.loginFailed(ctx, a, brakes, ip, agent, now)
	}
	better := ""
	if rehash {
		if better, err = s.opt.Passwords.Hash(clean); err != nil {
			return "", Admin{}, fmt.Errorf("hash password: %w", err)
		}
	}
	return s.letIn(ctx, a, better, trustName(account, networkOf(ip)), ip, agent)
}

// letIn opens the session, unless the password was changed while it was being checked.
func (s *Service) letIn(ctx context.Context, checked Admin, better, trust, ip, agent string) (string, Admin, error) {
	var plain string
	var a Admin
	err := s.update(ctx, func(tx Tx) (err error) {
		if a, err = tx.Admin(ctx, checked.ID); err != nil {
			return err
		}
		if a.PasswordHash != checked.PasswordHash {
			return errLogin()
		}
		if better != "" {
			a.PasswordHash = better
		}
		if _, err := tx.Take(ctx, trust, trustLife, s.opt.Now()); err != nil {
			return err
		}
		plain, err = s.openSession(ctx, tx, &a, "login", ip, agent)
		return err
	})
	if err != nil {
		return "", Admin{}, err
	}
	return plain, a, nil
}

// loginFailed records the failure and returns the error that says no more than that.
func (s *Service) loginFailed(ctx context.Context, a Admin, brakes []brake, ip, agent string, now time.Time) error {
	object := "admin" // an unknown address is not written down: it may be a password typed into the wrong field
	if a.ID != 0 {
		object = adminName(a.ID)
	}
	// The caller may hang up at the moment the answer is known, and must not save the failure that way.
	ctx = context.WithoutCancel(ctx)
	err := s.update(ctx, func(tx Tx) error {
		for _, b := range brakes {
			if err := b.fail(ctx, tx, now); err != nil {
				return err
			}
		}
		return s.auditFrom(ctx, tx, "system", "login_failed", object, harmless(agent, 200), ip)
	})
	if err != nil {
		return fmt.Errorf("record a failed sign-in: %w", err)
	}
	return errLogin()
}

func errLogin() error {
	return &Error{Kind: Unauthorized, Code: "login", Msg: "이메일이나 비밀번호가 맞지 않아요."}
}

func errLoginWait(wait time.Duration) error {
	text := fmt.Sprintf("%d초", int((wait+time.Second-1)/time.Second))
	if wait > time.Minute {
		text = fmt.Sprintf("%d분", int((wait+time.Minute-1)/time.Minute))
	}
	return &Error{Kind: TooMany, Code: "login_wait", Msg: "로그인에 여러 번 실패했어요. " + text + " 뒤에 다시 해 주세요.", After: wait}
}

// networkOf is the address, or the /64 of an IPv6 one, which is what one household has.
func networkOf(ip string) string {
	a, err := netip.ParseAddr(ip)
	if err != nil {
		return ip
	}
	a = a.Unmap().WithZone("")
	if a.Is6() {
		if p, err := a.Prefix(64); err == nil {
			return p.String()
		}
	}
	return a.String()
}
