package newsletter

import (
	"context"
	"time"
)

const (
	replayLife = 24 * time.Hour
	// replayLease is how long a call may work before another one with its key takes over; requests end after half a minute.
	replayLease = 2 * time.Minute
)

// What stands in Replay.Status before there is an answer.
const (
	replayRunning = 0 // the call works, or died before it changed anything
	replayDone    = 1 // its changes are committed, its answer is not kept yet
)

type replayKey struct{}

// WithReplay makes each transaction of ctx note that the call under this key has changed something, so that a crash between
// the change and the answer does not let a second call do it again.
func WithReplay(ctx context.Context, key string) context.Context {
	return context.WithValue(ctx, replayKey{}, key)
}

// BeginReplay reserves a call's key, or returns the remembered answer (true) of an earlier call with the same key and body. Errors:
// Invalid with code idempotency_key_reused when the body is another one; Conflict with code idempotency_key_in_use while the
// earlier call works, idempotency_answer_lost when it did its work and died before it could answer. Of two calls at
// once, on whatever nodes, one begins.
func (s *Service) BeginReplay(ctx context.Context, key, bodyHash string) (r Replay, answered bool, err error) {
	for range 3 { // a Conflict is the other call's row: read it
		r, answered, err = s.beginReplay(ctx, key, bodyHash)
		if KindOf(err) != Conflict || codeOf(err) != "exists" {
			break
		}
	}
	return r, answered, err
}

func (s *Service) beginReplay(ctx context.Context, key, bodyHash string) (r Replay, answered bool, err error) {
	now := s.opt.Now()
	err = s.opt.Store.Update(ctx, func(tx Tx) error {
		r, answered = Replay{}, false
		if err := tx.DropReplays(ctx, now.Add(-replayLife)); err != nil {
			return err
		}
		was, err := tx.Replay(ctx, key)
		if known, err := found(err); err != nil {
			return err
		} else if known {
			if err := was.judge(bodyHash, now); err != nil {
				return err
			}
			if was.Status > replayDone {
				r, answered = was, true
				return nil
			}
			if err := tx.DropReplay(ctx, was); err != nil {
				return err
			}
		}
		r = Replay{Key: key, BodyHash: bodyHash, Status: replayRunning, At: now}
		return tx.PutReplay(ctx, r)
	})
	return r, answered, err
}

// judge tells whether a call with this body may have the remembered answer, or take over an abandoned key.
func (r Replay) judge(bodyHash string, now time.Time) error {
	switch {
	case r.BodyHash != bodyHash:
		return &Error{Kind: Invalid, Field: "Idempotency-Key", Code: "idempotency_key_reused", Msg: "이 Idempotency-Key는 다른 내용으로 이미 썼어요. 새 키를 써 주세요."}
	case r.Status > replayDone:
		return nil
	case now.Sub(r.At) < replayLease:
		return &Error{Kind: Conflict, Code: "idempotency_key_in_use", Msg: "같은 Idempotency-Key로 보낸 요청을 처리하고 있어요. 잠시 뒤에 다시 보내 주세요."}
	case r.Status == replayDone:
		return &Error{Kind: Conflict, Code: "idempotency_answer_lost", Msg: "요청은 처리됐지만 답을 남기지 못했어요. 결과를 조회해서 확인해 주세요."}
	}
	return nil
}

// EndReplay keeps the answer to a reserved call.
func (s *Service) EndReplay(ctx context.Context, r Replay) error {
	return s.opt.Store.Update(ctx, func(tx Tx) error { return tx.FinishReplay(ctx, r) })
}

// CancelReplay gives a reserved key back when its call failed and changed nothing; one that did keeps its key.
func (s *Service) CancelReplay(ctx context.Context, r Replay) error {
	return s.opt.Store.Update(ctx, func(tx Tx) error {
		r.Status = replayRunning
		return tx.DropReplay(ctx, r)
	})
}
