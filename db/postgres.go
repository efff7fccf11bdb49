package db

import (
	"context"
	"database/sql"
	"database/sql/driver"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"strconv"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/stdlib"
)

// maxTries bounds how often a transaction is begun anew after losing to another one.
const maxTries = 30

func openPostgres(ctx context.Context, o Options) (*DB, error) {
	cfg, err := pgx.ParseConfig(o.URL)
	if err != nil {
		// The driver's error repeats the URL; pgx masks the password in it.
		return nil, fmt.Errorf("read the PostgreSQL URL: %w", err)
	}
	if cfg.RuntimeParams["application_name"] == "" {
		cfg.RuntimeParams["application_name"] = "techissue"
	}
	// Set after connecting and not at startup, where a pooler in between refuses them.
	settings := "SET lock_timeout = " + strconv.FormatInt(o.BusyTimeout.Milliseconds(), 10) +
		"; SET idle_in_transaction_session_timeout = 60000"
	pool := stdlib.OpenDB(*cfg, stdlib.OptionAfterConnect(func(ctx context.Context, c *pgx.Conn) error {
		_, err := c.PgConn().Exec(ctx, settings).ReadAll()
		return err
	}))
	conns := o.Conns
	if conns == 0 {
		conns = 16
	}
	pool.SetMaxOpenConns(conns)
	pool.SetMaxIdleConns(conns)
	pool.SetConnMaxIdleTime(5 * time.Minute)
	d := &DB{
		dialect: postgresDialect(), leavers: o.Leavers, migrations: o.Migrations, now: o.Now, log: o.Log,
		pool: pool, one: pool, check: passed(),
	}
	if err := pool.PingContext(ctx); err != nil {
		pool.Close()
		return nil, d.dialect.wrap(fmt.Errorf("connect to PostgreSQL: %w", err))
	}
	return d, nil
}

// again runs fn in a transaction, anew while the server undoes it for the sake of another.
func (d *DB) again(ctx context.Context, opts *sql.TxOptions, fn func(*Tx) error) error {
	for try := 1; ; try++ {
		err := d.inTx(ctx, opts, fn)
		if err == nil || try == maxTries || !d.dialect.retry(err) {
			return err
		}
		if err := pause(ctx, try); err != nil {
			return err
		}
	}
}

// pause spreads those who met, up to 1, 2, 4, … 64 ms.
func pause(ctx context.Context, try int) error {
	t := time.NewTimer(rand.N(time.Millisecond << min(try-1, 6)))
	defer t.Stop()
	select {
	case <-t.C:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// connectionLost: no SQLSTATE because there is no server to send one.
func connectionLost(err error) bool {
	var connect *pgconn.ConnectError
	var network net.Error
	return errors.As(err, &connect) || errors.As(err, &network) ||
		errors.Is(err, driver.ErrBadConn) || errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) ||
		errors.Is(err, sql.ErrConnDone) || errors.Is(err, net.ErrClosed)
}
