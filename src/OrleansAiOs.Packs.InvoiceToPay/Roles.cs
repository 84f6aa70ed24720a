namespace OrleansAiOs.Packs.InvoiceToPay;

/// <summary>Who decides what.</summary>
public static class Roles
{
    /// <summary>Answers for purchases without a matching order.</summary>
    public const string Buyer = "buyer";

    /// <summary>Answers for large payments.</summary>
    public const string Controller = "controller";
}
