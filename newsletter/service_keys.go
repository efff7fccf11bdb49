package newsletter

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"
)

const (
	keyPrefix = "ti_" // lets scanners for leaked secrets know ours
	keyBytes  = 25    // 40 characters of base32
)

// CreateKey makes an API key and returns it in plain, which nobody sees again. A zero expires means never.
// Faults: name, scopes (unknown ones are named), expires.
func (s *Service) CreateKey(ctx context.Context, actor, name string, scopes []Scope, expires time.Time) (string, APIKey, error) {
	now := s.opt.Now()
	var faults Faults
	name, err := CleanLine(name, 60)
	if err != nil || name == "" {
		faults = append(faults, invalid("name", "키의 이름을 한 줄로 적어 주세요(60자까지)."))
	}
	scopes, err = cleanScopes(scopes)
	if err != nil {
		faults = append(faults, FaultsOf(err)...)
	}
	if !expires.IsZero() && !expires.After(now) {
		faults = append(faults, invalid("expires", "만료일이 이미 지났어요."))
	}
	if err := faults.Err(); err != nil {
		return "", APIKey{}, err
	}
	plain := keyPrefix + Random(keyBytes)
	k := APIKey{Name: name, Hash: hashToken(plain), Scopes: scopes, CreatedAt: now, ExpiresAt: expires}
	err = s.update(ctx, func(tx Tx) error {
		k.ID = 0
		if err := tx.PutAPIKey(ctx, &k); err != nil {
			return err
		}
		return s.audit(ctx, tx, actor, "key_create", keyName(k.ID), fmt.Sprintf("%s: %s", name, joinScopes(scopes)))
	})
	if err != nil {
		return "", APIKey{}, fmt.Errorf("create API key: %w", err)
	}
	return plain, k, nil
}

// cleanScopes sorts, drops repeated ones, and names each that does not exist.
func cleanScopes(in []Scope) ([]Scope, error) {
	var out []Scope
	var unknown []string
	for _, sc := range in {
		sc = Scope(strings.ToLower(strings.TrimSpace(string(sc))))
		switch {
		case slices.Contains(scopes, sc):
			out = append(out, sc)
		case sc != "":
			unknown = append(unknown, harmless(string(sc), 40))
		}
	}
	if len(unknown) > 0 {
		return nil, invalid("scopes", "모르는 권한이에요: "+strings.Join(unknown, ", ")+". 쓸 수 있는 권한: "+joinScopes(scopes))
	}
	if len(out) == 0 {
		return nil, invalid("scopes", "권한을 하나 이상 골라 주세요: "+joinScopes(scopes))
	}
	slices.Sort(out)
	return slices.Compact(out), nil
}

func joinScopes(list []Scope) string {
	words := make([]string, len(list))
	for i, sc := range list {
		words[i] = string(sc)
	}
	return strings.Join(words, ", ")
}

// Keys lists every API key, revoked ones too.
func (s *Service) Keys(ctx context.Context) ([]APIKey, error) {
	return get(ctx, s, func(tx Tx) ([]APIKey, error) { return tx.APIKeys(ctx) })
}

// RevokeKey ends a key for good; one that is revoked already is no error.
func (s *Service) RevokeKey(ctx context.Context, actor string, id int64) error {
	return s.update(ctx, func(tx Tx) error {
		keys, err := tx.APIKeys(ctx)
		if err != nil {
			return err
		}
		i := slices.IndexFunc(keys, func(k APIKey) bool { return k.ID == id })
		if i < 0 {
			return &Error{Kind: NotFound, Msg: "그런 API 키가 없어요."}
		}
		return s.revoke(ctx, tx, actor, keys[i])
	})
}

// RevokeAllKeys ends every key, for the day when one has leaked and nobody knows which.
func (s *Service) RevokeAllKeys(ctx context.Context, actor string) error {
	return s.update(ctx, func(tx Tx) error {
		keys, err := tx.APIKeys(ctx)
		if err != nil {
			return err
		}
		for _, k := range keys {
			if err := s.revoke(ctx, tx, actor, k); err != nil {
				return err
			}
		}
		return nil
	})
}

func (s *Service) revoke(ctx context.Context, tx Tx, actor string, k APIKey) error {
	if !k.RevokedAt.IsZero() {
		return nil
	}
	k.RevokedAt = s.opt.Now()
	if err := tx.PutAPIKey(ctx, &k); err != nil {
		return err
	}
	return s.audit(ctx, tx, actor, "key_revoke", keyName(k.ID), k.Name)
}

// AuthenticateKey returns the key that a Bearer header carries. Unauthorized: unknown, revoked or expired.
func (s *Service) AuthenticateKey(ctx context.Context, plain string) (APIKey, error) {
	if len(plain) != len(keyPrefix)+40 || !strings.HasPrefix(plain, keyPrefix) {
		return APIKey{}, errKey()
	}
	now := s.opt.Now()
	hash := hashToken(plain)
	k, err := get(ctx, s, func(tx Tx) (APIKey, error) { return tx.APIKeyByHash(ctx, hash) })
	if KindOf(err) == NotFound {
		return APIKey{}, errKey()
	}
	if err != nil {
		return APIKey{}, err
	}
	if !k.usable(now) {
		return APIKey{}, errKey()
	}
	if now.Sub(k.LastUsedAt) < seenEvery {
		return k, nil
	}
	err = s.update(ctx, func(tx Tx) (err error) { // read again, lest a revoked one comes back to life
		if k, err = tx.APIKeyByHash(ctx, hash); err != nil {
			return err
		}
		if !k.usable(now) {
			return errKey()
		}
		k.LastUsedAt = now
		return tx.PutAPIKey(ctx, &k)
	})
	if err != nil {
		return APIKey{}, err
	}
	return k, nil
}

func (k APIKey) usable(now time.Time) bool {
	return k.RevokedAt.IsZero() && (k.ExpiresAt.IsZero() || now.Before(k.ExpiresAt))
}

func errKey() error {
	return &Error{Kind: Unauthorized, Msg: "API 키가 올바르지 않거나 만료됐어요."}
}

func keyName(id int64) string { return fmt.Sprintf("key:%d", id) }
