namespace OrleansAiOs.Postgres.Embedded;

/// <summary>What keeps the database from being used, and the cure, in words meant for the person at the terminal.</summary>
public sealed class EmbeddedPostgresException : Exception
{
    public EmbeddedPostgresException(string message)
        : base(message)
    {
    }

    public EmbeddedPostgresException(string message, Exception cause)
        : base(message, cause)
    {
    }
}
