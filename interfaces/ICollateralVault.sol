// SPDX-License-Identifier: MIT
pragma solidity ^0.8.24;

/// @title Loans that the rent repays (ERC-4626)
/// @notice Lenders deposit one stablecoin. Borrowers pledge the shares of a capacity's revenue
/// splitter and borrow against them; what the capacity earns meanwhile lowers their debt by itself.
/// @dev Every loan is a position of its own: one account, one collateral token. Nothing of one
/// position ever stands in for another.
///
/// Debt is kept in parts: debt = parts × index / (10^18 × 10^6), rounded up to base units, where
/// the index starts at 10^18 and grows with interest. So a part is a millionth of a base unit or
/// less, and coins of 2 decimals accrue when poked every second.
///
/// Dividends of pledged shares go by the splitter's own index I: a position of b shares out of S is
/// due ⌊b · (I − I₀) / S⌋ for each stretch in which b did not change. The sum over all positions is
/// at most what the splitter ever pays to this vault, which is ⌊Σ B · ΔI / S⌋ with B ≥ Σ b.
/// Until they have lowered a debt, dividends are no assets of the lenders.
interface ICollateralVault {
    /// @notice How a collateral is lent against. Fixed once listed.
    /// @param oracle What its shares are worth (`ICollateralOracle`).
    /// @param borrowLtvBps Debt may be raised up to this share of the collateral's value, in bps.
    /// @param liquidationLtvBps Above this share the position can be liquidated, in bps.
    /// @param bonusBps What a liquidator gets on top of what he repays, in bps.
    struct CollateralTerms {
        address oracle;
        uint16 borrowLtvBps;
        uint16 liquidationLtvBps;
        uint16 bonusBps;
    }

    /// @notice A listed collateral, two storage words.
    /// @param oracle See `CollateralTerms`; zero if not listed.
    /// @param supply All shares of the splitter, for good (a splitter's are at most 10^27).
    /// @param cap The most shares that may lie here, pledged or given away, when somebody pledges.
    /// @param borrowLtvBps See `CollateralTerms`.
    /// @param liquidationLtvBps See `CollateralTerms`.
    /// @param bonusBps See `CollateralTerms`.
    /// @param borrowable Whether debt can be raised against it.
    struct Collateral {
        address oracle;
        uint96 supply;
        uint96 cap;
        uint16 borrowLtvBps;
        uint16 liquidationLtvBps;
        uint16 bonusBps;
        bool borrowable;
    }

    /// @notice A loan, two storage words.
    /// @param shares Shares pledged.
    /// @param debtParts Debt, before interest since the vault began; see the contract's notes.
    /// @param riskBlock Block in which the borrower last raised the debt, or took shares out under
    /// it.
    /// @param dividendIndex The splitter's index up to which `dividends` are counted.
    /// @param dividends Base units due to the position that have not lowered its debt.
    struct Position {
        uint96 shares;
        uint128 debtParts;
        uint32 riskBlock;
        uint128 dividendIndex;
        uint128 dividends;
    }

    /// @notice What a vault is made of, for good.
    /// @param asset The stablecoin.
    /// @param owner Who lists collaterals: a Safe behind a timelock on a real network.
    /// @param splitters The factory whose splitters can be collateral.
    /// @param capacity The deeds, which name each splitter as payee.
    /// @param baseRateWad Yearly interest with nothing lent out, 1e18.
    /// @param slopeRateWad What is added on the way to the kink.
    /// @param steepRateWad What is added on the way from the kink to full utilization; all three
    /// together at most 3e18 (300 %).
    /// @param kinkWad Utilization at the kink, 1e16 … 99e16.
    /// @param reserveFactorBps The vault's own part of the interest, in bps, at most 5,000.
    /// @param minDebt The least debt that a borrower can leave himself with, in base units, at
    /// least 1.
    /// @param name Of the vault's own token.
    /// @param symbol Of the vault's own token.
    struct VaultConfig {
        address asset;
        address owner;
        address splitters;
        address capacity;
        uint256 baseRateWad;
        uint256 slopeRateWad;
        uint256 steepRateWad;
        uint256 kinkWad;
        uint256 reserveFactorBps;
        uint256 minDebt;
        string name;
        string symbol;
    }

    /// @param index The new borrow index, 1e18; interest on all debt, and the reserves' part of it,
    /// follow from it.
    event Accrued(uint256 index);
    /// @param collateral The splitter.
    /// @param terms How it is lent against, for good.
    event CollateralListed(address indexed collateral, CollateralTerms terms);
    /// @param collateral The splitter.
    /// @param cap The most shares that may lie here when somebody pledges, from now on.
    /// @param borrowable Whether debt can be raised against it from now on.
    event CollateralLimited(address indexed collateral, uint256 cap, bool borrowable);
    /// @param account The borrower.
    /// @param collateral The splitter.
    /// @param shares Shares added.
    event Pledged(address indexed account, address indexed collateral, uint256 shares);
    /// @param account The borrower.
    /// @param collateral The splitter.
    /// @param receiver Who got the shares.
    /// @param shares Shares taken out.
    event CollateralWithdrawn(
        address indexed account,
        address indexed collateral,
        address indexed receiver,
        uint256 shares
    );
    /// @param account The borrower.
    /// @param collateral The splitter.
    /// @param receiver Who got the money.
    /// @param assets Base units.
    event Borrowed(
        address indexed account,
        address indexed collateral,
        address indexed receiver,
        uint256 assets
    );
    /// @param account The borrower.
    /// @param collateral The splitter.
    /// @param payer Who paid.
    /// @param assets Base units.
    event Repaid(
        address indexed account,
        address indexed collateral,
        address indexed payer,
        uint256 assets
    );
    /// @param account The borrower.
    /// @param collateral The splitter.
    /// @param dividendIndex The splitter's index up to which dividends are counted now.
    /// @param earned Base units that the position became due since the index before.
    /// @param applied Base units by which its debt fell.
    event DividendsApplied(
        address indexed account,
        address indexed collateral,
        uint256 dividendIndex,
        uint256 earned,
        uint256 applied
    );
    /// @param account The borrower.
    /// @param collateral The splitter.
    /// @param receiver Who got it.
    /// @param assets Base units.
    event SurplusClaimed(
        address indexed account,
        address indexed collateral,
        address indexed receiver,
        uint256 assets
    );
    /// @param account The borrower.
    /// @param collateral The splitter.
    /// @param liquidator Who paid.
    /// @param receiver Who got the shares.
    /// @param repaid Base units paid.
    /// @param seized Shares sold.
    /// @param badDebt Base units of debt that nothing stands behind any more, and that are gone.
    event Liquidated(
        address indexed account,
        address indexed collateral,
        address indexed liquidator,
        address receiver,
        uint256 repaid,
        uint256 seized,
        uint256 badDebt
    );
    /// @param receiver Who got the vault's reserves.
    /// @param assets Base units.
    event ReservesCollected(address indexed receiver, uint256 assets);

    /// @dev Nothing is asked for.
    error ZeroAmount();
    /// @dev The deposit is worth less than the smallest part of a share.
    error ZeroShares(uint256 assets);
    /// @dev An address that must be set is zero, or the contract itself.
    error BadAddress(bytes32 field, address value);
    /// @dev A parameter, named by `field`, lies outside `min` … `max`.
    error OutOfRange(bytes32 field, uint256 value, uint256 min, uint256 max);
    /// @dev `token` is no splitter of the vault's factory.
    error NotSplitter(address token);
    /// @dev The splitter pays in `stablecoin`, not in the vault's own.
    error WrongStablecoin(address collateral, address stablecoin);
    /// @dev The splitter's capacity pays its rent to `payee`.
    error NotPayee(address collateral, address payee);
    /// @dev Terms never change once listed.
    error AlreadyListed(address collateral);
    /// @dev The owner has not listed this collateral.
    error NotListed(address collateral);
    /// @dev The vault would hold `held` shares.
    error CapExceeded(address collateral, uint256 held, uint256 cap);
    /// @dev No debt can be raised against this collateral any more.
    error BorrowingClosed(address collateral);
    /// @dev The position has only `shares`.
    error NotEnoughShares(uint256 asked, uint256 shares);
    /// @dev The vault holds only `idle` that is not lent out.
    error NotEnoughLiquidity(uint256 asked, uint256 idle);
    /// @dev The debt would be `debt`, neither 0 nor `min` or more.
    error DebtTooSmall(uint256 debt, uint256 min);
    /// @dev The debt, less the dividends due, would be above what the collateral carries.
    error BeyondLtv(uint256 debt, uint256 limit);
    /// @dev The oracle does not know what the collateral is worth.
    error ValueUnknown(address collateral);
    /// @dev The splitter pays dividends in other tokens too, which positions do not count.
    error OtherDividends(address collateral);
    /// @dev The splitter does not say what it owes, so the position cannot be judged fairly.
    error DividendsUnknown(address collateral);
    /// @dev The splitter does not pay what it owes, so the position cannot be liquidated fairly.
    error DividendsStuck(address collateral);
    /// @dev The debt, less the dividends due, is within what liquidation leaves alone.
    error PositionHealthy(uint256 debt, uint256 limit);
    /// @dev Nobody liquidates himself.
    error SelfLiquidation(address account);
    /// @dev The borrower raised his risk in this very block.
    error RiskRaisedInBlock(uint256 blockNumber);
    /// @dev A part would leave the position worse: all of it goes, for `needed` at once.
    error OnlyFullClose(uint256 offered, uint256 needed);
    /// @dev Paying so little would leave the position worse by rounding.
    error WorseByRounding(uint256 repaid, uint256 seized);
    /// @dev Fewer shares than the liquidator asked for.
    error SeizedBelowMin(uint256 seized, uint256 min);
    /// @dev There is a debt: dividends go to it first.
    error DebtOutstanding(uint256 debt);

    /// @notice Lists a splitter as collateral. Owner only; terms are fixed for good.
    /// @dev The splitter must be of the known factory and pay in the vault's stablecoin, and its
    /// capacity must name it as payee. (100 % + bonus) × liquidation LTV stays below 100 %, and the
    /// two LTVs at least 5 % apart: an epoch's decay and the feed's deviation.
    function listCollateral(
        address collateral,
        CollateralTerms calldata terms,
        uint256 cap
    ) external;

    /// @notice Limits what is lent against a collateral from now on. Owner only. Positions that
    /// exist are not touched, whatever the limits.
    function limitCollateral(address collateral, uint256 cap, bool borrowable) external;

    /// @notice Pays the vault's own part of the interest. Owner only, and only from what is idle.
    /// @return assets Base units.
    function collectReserves(address receiver) external returns (uint256 assets);

    /// @notice Writes the interest up to now.
    function accrue() external;

    /// @notice Pledges the caller's shares; their later dividends go to his debt.
    /// @dev Only shares that pay dividends in the stablecoin alone: a position counts no others.
    function pledge(address collateral, uint256 shares) external;

    /// @notice Takes the caller's shares out. With a debt, only as far as the borrow LTV allows.
    /// @dev Without one it works whatever the oracle and the splitter's payments do. Should even
    /// the splitter's index be unreadable, what the shares earned since it last was is forgone.
    function withdrawCollateral(address collateral, uint256 shares, address receiver) external;

    /// @notice Borrows against the caller's pledged shares.
    function borrow(address collateral, uint256 assets, address receiver) external;

    /// @notice Repays anyone's debt from the caller's money.
    /// @param assets The most to pay; the debt left after the dividends due, if that is less.
    /// @return repaid Base units taken; 0 if there is no debt.
    function repay(
        address account,
        address collateral,
        uint256 assets
    ) external returns (uint256 repaid);

    /// @notice Lowers a debt by the dividends that its collateral earned. Anyone.
    /// @return applied Base units; 0 if there is nothing due, no debt, or the splitter cannot pay
    /// now.
    function applyDividends(address account, address collateral) external returns (uint256 applied);

    /// @notice Pays the dividends that no debt of the caller is there to take.
    /// @return assets Base units; 0 if there is nothing.
    function claimSurplus(address collateral, address receiver) external returns (uint256 assets);

    /// @notice Repays the debt of a position past its liquidation LTV, for its shares at a bonus.
    /// @dev Up to the debt that brings the position back to its borrow LTV, or all of it if less
    /// than the minimum would be left. Where debt × (1 + bonus) ≥ value, a part would leave it
    /// worse: all shares go for value / (1 + bonus), and the lenders' reserves, then the lenders,
    /// bear the rest in the same transaction.
    /// @param maxRepay The most to pay.
    /// @param minSeized The fewest shares to get.
    /// @param receiver Who gets the shares.
    function liquidate(
        address account,
        address collateral,
        uint256 maxRepay,
        uint256 minSeized,
        address receiver
    ) external returns (uint256 repaid, uint256 seized);

    /// @notice A position as stored.
    function positionOf(
        address account,
        address collateral
    ) external view returns (Position memory);

    /// @notice What a position owes and is worth now: interest and unapplied dividends counted.
    /// @return debt Base units owed, rounded up.
    /// @return dividends Base units due to the position that have not lowered its debt, rounded
    /// down.
    /// @return value Base units that its shares are worth; 0 if unknown.
    /// @return valid Whether `value` is known.
    function healthOf(
        address account,
        address collateral
    ) external view returns (uint256 debt, uint256 dividends, uint256 value, bool valid);

    /// @notice A collateral as listed.
    function collateralOf(address collateral) external view returns (Collateral memory);

    /// @notice All debts with interest up to now, in base units, rounded down.
    function totalBorrows() external view returns (uint256);

    /// @notice All debts before interest, in parts.
    function totalDebtParts() external view returns (uint256);

    /// @notice What is lent to nobody, in base units.
    function idle() external view returns (uint256);

    /// @notice The vault's own part of the interest up to now, in base units, rounded down.
    function reserves() external view returns (uint256);

    /// @notice The borrow index now, 1e18.
    function borrowIndex() external view returns (uint256);

    /// @notice Interest at the present utilization, per year, 1e18; not compounded.
    function borrowRate() external view returns (uint256);
}
