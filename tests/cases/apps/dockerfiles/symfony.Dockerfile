FROM dunglas/frankenphp:1-php8.4 AS build
RUN install-php-extensions intl opcache pcntl pdo_mysql pdo_pgsql zip
COPY --from=composer:2 /usr/bin/composer /usr/bin/composer
ENV COMPOSER_ALLOW_SUPERUSER=1
WORKDIR /app
COPY composer.json ./
RUN composer install --no-dev --no-interaction --no-progress --no-scripts --no-autoloader
COPY . .
RUN APP_ENV=prod composer dump-autoload --no-dev --classmap-authoritative
RUN APP_ENV=prod php bin/console cache:warmup

FROM dunglas/frankenphp:1-php8.4
RUN install-php-extensions intl opcache pcntl pdo_mysql pdo_pgsql zip \
 && mkdir -p /data /config \
 && chown -R 10001:10001 /data /config
WORKDIR /app
COPY --from=build /app /app
RUN mkdir -p var \
 && chown -R 10001:10001 var
ENV APP_DEBUG=0
ENV APP_ENV=prod
ENV PORT=8080
USER 10001:10001
EXPOSE 8080
CMD ["frankenphp", "php-server", "--listen", ":8080", "--root", "public"]
