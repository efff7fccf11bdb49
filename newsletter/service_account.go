package newsletter

import (
	"context"
	"fmt"
)

// sessionMark is how much of a session's hash names it on a page: enough to tell sessions apart, and of no use to sign in.
const sessionMark = 16

// Mark names the session to its owner.
func (s Session) Mark() string { return s.Hash[:min(len(s.Hash), sessionMark)] }

// Sessions lists where a person is signed in now, last seen first.
func (s *Service) Sessions(ctx context.Context, id AdminID) ([]Session, error) {
	all, err := get(ctx, s, func(tx Tx) ([]Session, error) { return tx.Sessions(ctx, id) })
	if err != nil {
		return nil, fmt.Errorf("list sessions of admin %d: %w", id, err)
	}
	var open []Session
	for _, o := range all {
		if o.Valid(s.opt.Now()) {
			open = append(open, o)
		}
	}
	return open, nil
}

// RevokeSession ends one of a person's own sessions. NotFound: it is over, or somebody else's.
func (s *Service) RevokeSession(ctx context.Context, id AdminID, mark string) error {
	return s.update(ctx, func(tx Tx) error {
		all, err := tx.Sessions(ctx, id)
		if err != nil {
			return err
		}
		for _, o := range all {
			if o.Mark() != mark {
				continue
			}
			if err := tx.DeleteSession(ctx, o.Hash); err != nil {
				return err
			}
			return s.audit(ctx, tx, adminName(id), "session_revoke", adminName(id), "")
		}
		return &Error{Kind: NotFound, Msg: "이미 끝난 로그인이에요."}
	})
}

// ChangePassword sets a new password for a person who knows the old one, ends all their sessions and opens a new one,
// whose cookie it returns (OWASP ASVS 7.4.3). Errors: Faults of old and password; TooMany as in Login.
func (s *Service) ChangePassword(ctx context.Context, who Admin, old, password, ip, agent string) (string, error) {
	clean, err := judgePassword(password, who.Email)
	if err != nil {
		return "", err
	}
	// Login counts wrong guesses and slows them down; a stolen session must not guess faster than a stranger.
	token, _, err := s.Login(ctx, who.Email.String(), old, ip, agent)
	if KindOf(err) == Unauthorized {
		return "", invalid("old", "지금 비밀번호가 맞지 않아요.")
	}
	if err != nil {
		return "", err
	}
	if err := s.Logout(ctx, token, adminName(who.ID)); err != nil {
		return "", err
	}
	hash, err := s.opt.Passwords.Hash(clean)
	if err != nil {
		return "", fmt.Errorf("hash password: %w", err)
	}
	var plain string
	err = s.update(ctx, func(tx Tx) error {
		a, err := tx.Admin(ctx, who.ID)
		if err != nil {
			return err
		}
		a.PasswordHash = hash
		if err := tx.DeleteSessions(ctx, a.ID); err != nil {
			return err
		}
		if plain, err = s.openSession(ctx, tx, &a, "password_change", ip, agent); err != nil {
			return err
		}
		return s.tellOwners(ctx, tx, "관리자 비밀번호가 바뀌었어요", fmt.Sprintf("%s 님이 비밀번호를 바꿨고, 다른 기기에서 모두 로그아웃됐어요.", a.Email))
	})
	if err != nil {
		return "", fmt.Errorf("change password: %w", err)
	}
	s.opt.Wake()
	return plain, nil
}
