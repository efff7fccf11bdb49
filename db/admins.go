package db

import (
	"context"

	"techissue/newsletter"
)

const adminColumns = `SELECT id, email, role, password_hash, created_at, last_login_at FROM admins WHERE TRUE`

func scanAdmin(r scanner) (a newsletter.Admin, err error) {
	var email string
	err = r.Scan(&a.ID, &email, &a.Role, &a.PasswordHash, asTime(&a.CreatedAt), asTime(&a.LastLoginAt))
	a.Email = newsletter.StoredAddress(email)
	return a, err
}

// Admins lists everybody with a desk.
func (t *Tx) Admins(ctx context.Context) ([]newsletter.Admin, error) {
	return list(ctx, t, scanAdmin, adminColumns+` ORDER BY id`)
}

// Admin returns one by id.
func (t *Tx) Admin(ctx context.Context, id newsletter.AdminID) (newsletter.Admin, error) {
	a, err := scanAdmin(t.queryRow(ctx, adminColumns+` AND id = ?`, id))
	return a, missing(err, "없는 관리자예요.")
}

// AdminByEmail returns one by address.
func (t *Tx) AdminByEmail(ctx context.Context, email newsletter.Address) (newsletter.Admin, error) {
	a, err := scanAdmin(t.queryRow(ctx, adminColumns+` AND email = ?`, email.String()))
	return a, missing(err, "없는 관리자예요.")
}

// PutAdmin inserts or changes one.
func (t *Tx) PutAdmin(ctx context.Context, a *newsletter.Admin) error {
	if a.ID == 0 {
		id, err := t.insert(ctx, `INSERT INTO admins (email, role, password_hash, created_at, last_login_at) VALUES (?, ?, ?, ?, ?) RETURNING id`,
			a.Email.String(), a.Role, a.PasswordHash, ms(a.CreatedAt), orNull(a.LastLoginAt))
		a.ID = newsletter.AdminID(id)
		return taken(err, "email", "이미 있는 관리자예요.")
	}
	err := t.swap(ctx, &newsletter.Error{Kind: newsletter.NotFound, Msg: "없는 관리자예요."}, `
		UPDATE admins SET email = ?, role = ?, password_hash = ?, last_login_at = ? WHERE id = ?`,
		a.Email.String(), a.Role, a.PasswordHash, orNull(a.LastLoginAt), a.ID)
	return taken(err, "email", "이미 있는 관리자예요.")
}
