namespace OrleansAiOs.Kernel.Identity;

public enum PrincipalKind
{
    /// <summary>A person.</summary>
    User,

    /// <summary>A program that acts by itself, or for users that it may act for.</summary>
    Service,

    /// <summary>An agent; the same rights as a service, told apart in policies and records.</summary>
    Agent,
}

/// <summary>
/// The name of who acts: "user/ana", "service/crm", "agent/refunds". ASCII letters, digits, - _ . and @ only, so that one name is one
/// principal in every script and normal form.
/// </summary>
public static class PrincipalId
{
    /// <summary>Who started the runs of the engine itself. No key is its, and no user's name in a history is taken for it.</summary>
    public const string Engine = "engine";

    public const int NameCharsMax = 64;

    public const string NameRule = "1 to 64 letters, digits, '-', '_', '.' or '@'";

    public static string Of(PrincipalKind kind, string name) => $"{Word(kind)}/{name}";

    public static bool TryParse(string? id, out PrincipalKind kind)
    {
        kind = default;
        if (id is null || id.IndexOf('/') is var slash && slash < 0 || !IsName(id[(slash + 1)..])) return false;
        (var known, kind) = id[..slash] switch
        {
            "user" => (true, PrincipalKind.User),
            "service" => (true, PrincipalKind.Service),
            "agent" => (true, PrincipalKind.Agent),
            _ => (false, default),
        };
        return known;
    }

    /// <summary>Whether a text can name a principal, a key or a role.</summary>
    public static bool IsName(string? name) =>
        name is { Length: > 0 and <= NameCharsMax } && name.AsSpan().IndexOfAnyExcept('.') >= 0 && name.All(c => char.IsAsciiLetterOrDigit(c) || c is '-' or '_' or '.' or '@');

    /// <summary>What histories call it: a user by the bare name, as before there were others, the rest in full.</summary>
    public static string ForPeople(string id) => id.StartsWith("user/", StringComparison.Ordinal) && id != $"user/{Engine}" ? id["user/".Length..] : id;

    /// <summary>The principal that a link of a run's chain, or whoever a history says did something, stands for.</summary>
    public static string Of(string link)
    {
        var name = HasJoined(link) ? link[1..] : link;
        return name.Contains('/') || name == Engine ? name : $"user/{name}";
    }

    /// <summary>Whether a link of a run's chain is somebody who reset or forked the run: their rights count, and they act for nobody.</summary>
    public static bool HasJoined(string link) => link.StartsWith('+');

    private static string Word(PrincipalKind kind) => kind switch
    {
        PrincipalKind.User => "user",
        PrincipalKind.Service => "service",
        _ => "agent",
    };
}
