-- With which code an order ended that did not get as far as Let's Encrypt.
ALTER TABLE orders ADD COLUMN code TEXT;
