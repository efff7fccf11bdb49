package newsletter

import "context"

// AddressView looks at the link that proves a new address and changes nothing; it gives that address, masked.
// Errors: NotFound for any other token, Gone.
func (s *Service) AddressView(ctx context.Context, token string) (masked string, err error) {
	return get(ctx, s, func(tx Tx) (string, error) {
		g, _, err := s.openGrant(ctx, tx, PurposeManage, GrantAddress, token)
		if err != nil {
			return "", err
		}
		addr, err := ParseAddress(g.Detail)
		return addr.Masked(), err
	})
}
