using System.Security.Cryptography;
using System.Text;
using Orleans.Serialization;

namespace OrleansAiOs.Cluster.Wire;

/// <summary>A message as it crosses: bytes, and what shows that a member of this cluster wrote them to this grain.</summary>
[GenerateSerializer, Immutable, Alias("aios.sealed")]
internal sealed record SealedMessage([property: Id(0)] byte[] Body, [property: Id(1)] byte[] Mac);

/// <summary>
/// HMAC-SHA-256 over the grain's key and the message. Who a command is from stands in the message, so a grain believes nothing that
/// somebody could have put into the context of a call, and takes nothing apart that no member wrote.
/// </summary>
internal sealed class MessageSeal
{
    public const int SecretBytes = 32;

    private readonly byte[] secret;
    private readonly Serializer serializer;

    public MessageSeal(byte[] secret, Serializer serializer)
    {
        if (secret.Length != SecretBytes) throw new ArgumentException($"The secret of a cluster has {SecretBytes} bytes; this one has {secret.Length}.", nameof(secret));
        (this.secret, this.serializer) = (secret, serializer);
    }

    public SealedMessage Close<T>(string grain, T message)
    {
        var body = serializer.SerializeToArray(message);
        return new SealedMessage(body, Mac(grain, body));
    }

    public bool Fits(string grain, SealedMessage message) => CryptographicOperations.FixedTimeEquals(message.Mac, Mac(grain, message.Body));

    /// <summary>What is in it; whether it fits, <see cref="SealFilter"/> has asked before the grain was called.</summary>
    public T Open<T>(SealedMessage message) => serializer.Deserialize<T>(message.Body)!;

    private byte[] Mac(string grain, byte[] body)
    {
        // The key ends at a character that none holds.
        var to = Encoding.UTF8.GetBytes($"aios-member-v1\n{grain}\n");
        using var mac = IncrementalHash.CreateHMAC(HashAlgorithmName.SHA256, secret);
        mac.AppendData(to);
        mac.AppendData(body);
        return mac.GetHashAndReset();
    }
}

/// <summary>
/// Before every call of a grain of ours: its one argument is a message that a member sealed for this very grain, or nothing is called. Orleans'
/// own call of a reminder says nothing that is believed.
/// </summary>
internal sealed class SealFilter(ClusterMember member) : IIncomingGrainCallFilter
{
    public Task Invoke(IIncomingGrainCallContext context)
    {
        if (context.TargetContext?.GrainInstance is { } grain && grain.GetType().Assembly == typeof(SealFilter).Assembly && context.InterfaceMethod.DeclaringType != typeof(IRemindable)
            && !(context.Request.GetArgumentCount() == 1 && context.Request.GetArgument(0) is SealedMessage message && member.Seal.Fits(context.TargetId.Key.ToString()!, message)))
            throw new UnauthorizedAccessException($"No member of this cluster sealed this call of {context.InterfaceName}.{context.MethodName}.");
        return context.Invoke();
    }
}
