FROM maven:3.9-eclipse-temurin-21 AS build
WORKDIR /app
COPY pom.xml ./
RUN mvn -B -q dependency:go-offline
COPY . .
RUN mvn -B -q -DskipTests package \
 && mkdir /out \
 && find target -maxdepth 1 -name '*.jar' ! -name '*-plain.jar' ! -name '*-sources.jar' ! -name '*-javadoc.jar' -exec cp {} /out/app.jar \;

FROM eclipse-temurin:21-jre
WORKDIR /app
COPY --from=build /out/app.jar /app/app.jar
ENV PORT=9090
ENV SERVER_FORWARD_HEADERS_STRATEGY=native
ENV SERVER_PORT=9090
USER 10001:10001
EXPOSE 9090
CMD ["java", "-XX:MaxRAMPercentage=75", "-jar", "/app/app.jar"]
