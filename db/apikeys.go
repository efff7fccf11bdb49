package db

import (
	"context"
	"strings"

	"techissue/newsletter"
)

const keyColumns = `SELECT id, name, hash, scopes, created_at, expires_at, last_used_at, revoked_at FROM api_keys WHERE TRUE`

func scanKey(r scanner) (k newsletter.APIKey, err error) {
	var scopes string
	err = r.Scan(&k.ID, &k.Name, &k.Hash, &scopes, asTime(&k.CreatedAt), asTime(&k.ExpiresAt), asTime(&k.LastUsedAt), asTime(&k.RevokedAt))
	for _, s := range strings.Fields(scopes) {
		k.Scopes = append(k.Scopes, newsletter.Scope(s))
	}
	return k, err
}

// PutAPIKey inserts one or changes its times.
func (t *Tx) PutAPIKey(ctx context.Context, k *newsletter.APIKey) error {
	if k.ID != 0 {
		return t.swap(ctx, &newsletter.Error{Kind: newsletter.NotFound, Msg: "없는 키예요."},
			`UPDATE api_keys SET expires_at = ?, last_used_at = ?, revoked_at = ? WHERE id = ?`, orNull(k.ExpiresAt), orNull(k.LastUsedAt), orNull(k.RevokedAt), k.ID)
	}
	scopes := make([]string, len(k.Scopes))
	for n, s := range k.Scopes {
		scopes[n] = string(s)
	}
	id, err := t.insert(ctx, `INSERT INTO api_keys (name, hash, scopes, created_at, expires_at) VALUES (?, ?, ?, ?, ?) RETURNING id`,
		k.Name, k.Hash, strings.Join(scopes, " "), ms(k.CreatedAt), orNull(k.ExpiresAt))
	k.ID = id
	return err
}

// APIKeys lists all of them, revoked ones too.
func (t *Tx) APIKeys(ctx context.Context) ([]newsletter.APIKey, error) {
	return list(ctx, t, scanKey, keyColumns+` ORDER BY id`)
}

// APIKeyByHash returns one by the hash of its secret.
func (t *Tx) APIKeyByHash(ctx context.Context, hash string) (newsletter.APIKey, error) {
	k, err := scanKey(t.queryRow(ctx, keyColumns+` AND hash = ?`, hash))
	return k, missing(err, "없는 키예요.")
}
